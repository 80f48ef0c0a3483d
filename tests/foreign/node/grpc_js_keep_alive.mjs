// Keep-alive of grpc-js: its pings are answered, and a connection that is dead is noticed by them.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";

import { ADDRESS, begin, calling } from "./grpc_js.mjs";

// A PING frame of HTTP/2 with and without ACK: eight bytes long, type 6, of stream 0.
const PING = Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0]);
const PONG = Buffer.from([0, 0, 8, 6, 1, 0, 0, 0, 0]);

const count = (data, frame) => {
  let found = 0;
  for (let at = data.indexOf(frame); at >= 0; at = data.indexOf(frame, at + frame.length)) found += 1;
  return found;
};

// A relay that counts pings, and can fall silent as a cable does that was cut: nothing is closed.
async function cable(t) {
  const [hostname, port] = ADDRESS.split(":");
  const seen = { pings: 0, pongs: 0, cut: false, address: "" };
  const sockets = [];
  const listener = createServer((client) => {
    const server = connect(Number(port), hostname);
    sockets.push(client, server);
    client.on("error", () => {}).on("data", (data) => {
      seen.pings += count(data, PING);
      if (!seen.cut) server.write(data);
    });
    server.on("error", () => {}).on("data", (data) => {
      seen.pongs += count(data, PONG);
      if (!seen.cut) client.write(data);
    });
  });
  await once(listener.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    listener.close();
    sockets.forEach((socket) => socket.destroy());
  });
  seen.address = `127.0.0.1:${listener.address().port}`;
  return seen;
}

const OPTIONS = { "grpc.keepalive_time_ms": 100, "grpc.keepalive_timeout_ms": 5_000 };

calling("pings are answered while a call is silent", async ({ client, t }) => {
  const seen = await cable(t);
  const { outcome } = begin(client(OPTIONS, seen.address), "count", { to: 1, pauseMs: 3_000 });
  const { code, messages } = await outcome;
  assert.deepEqual([code, messages.length], ["OK", 1]);
  assert.ok(seen.pings >= 3, `${seen.pings} pings`);
  // Counted per packet: a frame may lie across two.
  assert.ok(seen.pongs >= seen.pings - 2, `${seen.pongs} of ${seen.pings} pings were answered`);
});

calling("a cut connection is noticed", async ({ client, t }) => {
  const seen = await cable(t);
  const options = { ...OPTIONS, "grpc.keepalive_timeout_ms": 300 };
  const { call, outcome } = begin(client(options, seen.address), "count", { to: 3, pauseMs: 1_000 });
  await once(call, "data");
  seen.cut = true;
  assert.equal((await outcome).code, "UNAVAILABLE");
});
