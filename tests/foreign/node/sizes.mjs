// Messages at the server's limit, and over it.

import assert from "node:assert/strict";

import { COUNTS, Code, ECHOES, LIMIT_BYTES, RUNNINGS, SUMS, all, failsWith, stillServes } from "./calls.mjs";
import { EVERY, STREAMING, codings, over } from "./wires.mjs";

// What a message has besides its text: a tag and a length of four bytes, or `{"text":""}`.
const textAtLimit = (wire) => "x".repeat(LIMIT_BYTES - (wire.useBinaryFormat ? 5 : 11));

over(EVERY, "a message at the limit passes", async ({ client, wire }) => {
  // To pack the reply would only take time.
  const parity = client("parity.v1.Parity", { acceptCompression: [] });
  const text = textAtLimit(wire);
  for (const method of ECHOES) assert.equal((await parity[method]({ text })).text.length, text.length, method);
});

over(EVERY, "one byte more is resource_exhausted", async ({ parity, wire }) => {
  const text = `${textAtLimit(wire)}x`;
  for (const method of ECHOES) await failsWith(Code.ResourceExhausted, parity[method]({ text }));
  await stillServes(parity);
});

over(EVERY, "a request for a stream that is over the limit is resource_exhausted", async ({ parity, wire }) => {
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
  const bomb = `${textAtLimit(wire)}x`;
  for (const sendCompression of codings(wire)) {
    const parity = client("parity.v1.Parity", { sendCompression });
    async function* requests() {
      yield { number: 1n };
      yield { plan: { failMessage: bomb } };
    }
    await failsWith(Code.ResourceExhausted, parity.echo({ text: bomb }));
    await failsWith(Code.ResourceExhausted, all(parity.count({ plan: { failMessage: bomb } })));
    await failsWith(Code.ResourceExhausted, parity.sum(requests()));
    await failsWith(Code.ResourceExhausted, all(parity.running(requests())));
    await stillServes(parity);
  }
});
