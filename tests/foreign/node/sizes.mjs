// Messages at the server's limit, and over it.

import assert from "node:assert/strict";

import { COUNTS, Code, ECHOES, RUNNINGS, SUMS, all, failsWith, stillServes } from "./calls.mjs";
import { connectNode } from "./packages.mjs";
import { EVERY, STREAMING, over } from "./wires.mjs";

const LIMIT_BYTES = 4 * 1024 * 1024;

// What a message has besides its text: a tag and a length of four bytes, or `{"text":""}`.
const textAtLimit = (wire) => "x".repeat(LIMIT_BYTES - (wire.useBinaryFormat ? 5 : 11));

over(EVERY, "a message at the limit passes", async ({ parity, wire }) => {
  const text = textAtLimit(wire);
  for (const method of ECHOES) assert.equal((await parity[method]({ text })).text.length, text.length, method);
});

over(EVERY, "one byte more is resource_exhausted", async ({ parity, wire }) => {
  const text = `${textAtLimit(wire)}x`;
  for (const method of ECHOES) await failsWith(Code.ResourceExhausted, parity[method]({ text }));
  await stillServes(parity);
});

over(EVERY, "far more is resource_exhausted", async ({ parity, wire }) => {
  const text = textAtLimit(wire).repeat(4);
  for (const method of ECHOES) await failsWith(Code.ResourceExhausted, parity[method]({ text }));
  await stillServes(parity);
});

over(EVERY, "the request of a server stream over the limit is resource_exhausted", async ({ parity, wire }) => {
  const plan = { failMessage: textAtLimit(wire) };
  for (const method of COUNTS) await failsWith(Code.ResourceExhausted, all(parity[method]({ plan })));
  await stillServes(parity);
});

over(STREAMING, "a later message over the limit is resource_exhausted", async ({ parity, wire }) => {
  async function* requests() {
    yield { number: 1n };
    yield { plan: { failMessage: textAtLimit(wire) } };
  }
  for (const method of SUMS) await failsWith(Code.ResourceExhausted, parity[method](requests()));
  for (const method of RUNNINGS) await failsWith(Code.ResourceExhausted, all(parity[method](requests())));
  await stillServes(parity);
});

over(STREAMING, "a message that unpacks to more than the limit is resource_exhausted", async ({ client, wire }) => {
  const bomb = "x".repeat(5 * LIMIT_BYTES);
  const { compressionBrotli, compressionGzip } = connectNode;
  const codings = wire.protocol === "grpc" ? [compressionGzip] : [compressionGzip, compressionBrotli];
  for (const sendCompression of codings) {
    const parity = client("parity.v1.Parity", { sendCompression });
    async function* requests() {
      yield { plan: { failMessage: bomb } };
    }
    await failsWith(Code.ResourceExhausted, parity.echo({ text: bomb }));
    await failsWith(Code.ResourceExhausted, parity.sum(requests()));
    await stillServes(parity);
  }
});
