// Compression both ways, seen from the wire: how many bytes a message takes that compresses well.

import assert from "node:assert/strict";

import { Code, ECHOES, SUMS, all, failsWith } from "./calls.mjs";
import { connectNode } from "./packages.mjs";
import { GRPC, NODE, STREAMING, WEB, codings, isGrpc, over } from "./wires.mjs";
import { wireTap } from "./wire_tap.mjs";

const TEXT = "Ambidex ".repeat(50_000);
const FEW = TEXT.length / 10;

// A client whose traffic is counted, and the counter.
async function tapped({ client, t }, options) {
  const tap = await wireTap(t);
  return [client("parity.v1.Parity", { baseUrl: tap.baseUrl, ...options }), tap];
}

async function* five(request) {
  for (let sent = 0; sent < 5; sent += 1) yield request;
}

over(STREAMING, "compressed requests are read", async (here) => {
  for (const sendCompression of codings(here.wire)) {
    for (const method of ECHOES) {
      const [parity, tap] = await tapped(here, { sendCompression, acceptCompression: [] });
      assert.equal((await parity[method]({ text: TEXT })).text, TEXT);
      assert.ok(tap.bytesSent < FEW, `${method}, ${sendCompression.name}: ${tap.bytesSent} bytes`);
    }
  }
});

over(STREAMING, "replies are compressed for a client that accepts it", async (here) => {
  for (const coding of codings(here.wire)) {
    // To gRPC clients the server packs what it got packed.
    const sendCompression = isGrpc(here.wire) ? coding : undefined;
    const [parity, tap] = await tapped(here, { acceptCompression: [coding], sendCompression });
    assert.equal((await parity.echo({ text: TEXT })).text, TEXT);
    assert.ok(tap.bytesReceived < FEW, `${coding.name}: ${tap.bytesReceived} bytes`);
  }
});

over(STREAMING, "replies are not compressed for a client that does not", async (here) => {
  const [parity, tap] = await tapped(here, { acceptCompression: [] });
  assert.equal((await parity.echo({ text: TEXT })).text, TEXT);
  assert.ok(tap.bytesReceived > TEXT.length, `${tap.bytesReceived} bytes`);
});

over(STREAMING, "every message of a stream is compressed", async (here) => {
  for (const sendCompression of codings(here.wire)) {
    for (const method of SUMS) {
      const [parity, tap] = await tapped(here, { sendCompression });
      const reply = await parity[method](five({ number: 1n, plan: { failMessage: TEXT } }));
      assert.equal(reply.sum, 5n);
      assert.ok(tap.bytesSent < FEW, `${method}, ${sendCompression.name}: ${tap.bytesSent} bytes`);
    }
  }
});

over(STREAMING, "a message that is empty when it is due to be compressed is read", async ({ client, wire }) => {
  for (const sendCompression of codings(wire)) {
    const parity = client("parity.v1.Parity", { sendCompression, compressMinBytes: 0 });
    assert.equal((await parity.echo({})).text, "");
    assert.equal((await parity.sum(five({}))).count, 5);
  }
});

over(NODE, "an error is compressed, of a unary call and of a stream", async (here) => {
  for (const coding of codings(here.wire)) {
    const [parity, tap] = await tapped(here, { acceptCompression: [coding] });
    const plan = { failCode: Code.Aborted, failMessage: TEXT };
    for (const call of [() => parity.echo({ plan }), () => all(parity.count({ to: 1, plan }))]) {
      assert.equal((await failsWith(Code.Aborted, call())).rawMessage, TEXT);
    }
    assert.ok(tap.bytesReceived < FEW, `${coding.name}: ${tap.bytesReceived} bytes`);
  }
});

over(GRPC, "a coding that the server does not read is unimplemented", async ({ client }) => {
  const parity = client("parity.v1.Parity", { sendCompression: connectNode.compressionBrotli });
  await failsWith(Code.Unimplemented, parity.echo({ text: TEXT }));
});

// Fetch itself says what it accepts, and unpacks it.
over(WEB, "fetch gets a compressed reply and a compressed stream", async (here) => {
  const [parity, tap] = await tapped(here, {});
  assert.equal((await parity.echo({ text: TEXT })).text, TEXT);
  const sent = tap.bytesSent;
  assert.ok(sent > TEXT.length && tap.bytesReceived < FEW, `${tap.bytesReceived} bytes`);
  const plan = { failCode: Code.Aborted, failMessage: TEXT };
  for (const call of [() => parity.echo({ plan }), () => all(parity.count({ to: 1000, plan }))]) {
    assert.equal((await failsWith(Code.Aborted, call())).rawMessage, TEXT);
  }
  assert.ok(tap.bytesReceived < FEW, `${tap.bytesReceived} bytes`);
});
