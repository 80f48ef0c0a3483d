// What the tests of calls have in common.

import assert from "node:assert/strict";

import { connect } from "./packages.mjs";

export const { Code } = connect;

// The server's limit of a message.
export const LIMIT_BYTES = 4 * 1024 * 1024;

export const ECHOES = ["echo", "echoBlocking", "echoOffloaded"];
export const COUNTS = ["count", "countBlocking"];
export const SUMS = ["sum", "sumBlocking"];
export const RUNNINGS = ["running", "runningBlocking"];

// The requests that add up or run over these numbers.
export async function* numbers(...values) {
  for (const value of values) yield { number: BigInt(value) };
}

export async function all(replies) {
  const found = [];
  for await (const reply of replies) found.push(reply);
  return found;
}

// Expects a call to fail with this code, and returns its error.
export async function failsWith(code, call) {
  const error = await call.then(
    () => assert.fail(`a call went well that had to fail with ${Code[code]}`),
    (error) => connect.ConnectError.from(error),
  );
  assert.equal(Code[error.code], Code[code], error.stack.slice(0, 1000));
  return error;
}

// The first message of a stream, and the stream from there on.
export async function begun(replies) {
  const rest = replies[Symbol.asyncIterator]();
  const { value } = await rest.next();
  return [value, { [Symbol.asyncIterator]: () => rest }];
}

export async function stillServes(parity) {
  assert.equal((await parity.echo({ text: "still here" })).text, "still here");
}
