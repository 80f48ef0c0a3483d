// A relay between a client and the server that counts the bytes of each direction, and reads what HTTP/1.1 asks.
//
// How a message was compressed is nothing that a client tells, nor whether it was in a query.

import { once } from "node:events";
import { connect, createServer } from "node:net";

import { BASE_URL } from "./wires.mjs";

export async function wireTap(t) {
  const { hostname, port } = new URL(BASE_URL);
  const tap = { bytesSent: 0, bytesReceived: 0, baseUrl: "", asked: [] };
  const sockets = new Set();
  const listener = createServer((client) => {
    const server = connect(Number(port), hostname);
    client.on("data", (data) => {
      tap.bytesSent += data.length;
      const [line] = data.toString("latin1").split("\r\n", 1);
      if (line.endsWith(" HTTP/1.1")) tap.asked.push(line.split(" ").slice(0, 2));
    });
    client.pipe(server);
    server.on("data", (data) => (tap.bytesReceived += data.length)).pipe(client);
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("error", () => {}).on("close", () => [client, server].forEach((each) => each.destroy()));
    }
  });
  await once(listener.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    listener.close();
    for (const socket of sockets) socket.destroy();
  });
  tap.baseUrl = `http://127.0.0.1:${listener.address().port}`;
  return tap;
}
