// Compression both ways with grpc-js, seen from the wire: how many bytes a message takes that compresses well.

import assert from "node:assert/strict";

import { ECHOES, SUMS } from "./calls.mjs";
import { calling, message } from "./grpc_js.mjs";
import { grpc } from "./packages.mjs";
import { wireTap } from "./wire_tap.mjs";

const TEXT = "Ambidex ".repeat(50_000);
const FEW = TEXT.length / 10;

async function tapped({ client, t }, algorithm) {
  const tap = await wireTap(t);
  const options = { "grpc.default_compression_algorithm": grpc.compressionAlgorithms[algorithm] };
  return [client(options, new URL(tap.baseUrl).host), tap];
}

for (const algorithm of ["gzip", "deflate"]) {
  calling(`messages are packed both ways, in ${algorithm}`, async (here) => {
    for (const method of ECHOES) {
      const [parity, tap] = await tapped(here, algorithm);
      assert.equal((await message(parity, method, { text: TEXT })).text, TEXT);
      assert.ok(tap.bytesSent < FEW, `${method}: ${tap.bytesSent} bytes sent`);
      assert.ok(tap.bytesReceived < FEW, `${method}: ${tap.bytesReceived} bytes received`);
    }
  });

  calling(`every message of a stream is packed, in ${algorithm}`, async (here) => {
    for (const method of SUMS) {
      const [parity, tap] = await tapped(here, algorithm);
      const requests = Array(5).fill({ number: 1n, plan: { failMessage: TEXT } });
      assert.equal((await message(parity, method, requests)).sum, 5n);
      assert.ok(tap.bytesSent < FEW, `${method}: ${tap.bytesSent} bytes`);
    }
  });
}

calling("who packs nothing gets nothing packed", async (here) => {
  const [parity, tap] = await tapped(here, "identity");
  assert.equal((await message(parity, "echo", { text: TEXT })).text, TEXT);
  assert.ok(tap.bytesSent > TEXT.length && tap.bytesReceived > TEXT.length);
});
