// Errors that handlers end with, as grpc-js reads them: code, message and details, early and late.

import assert from "node:assert/strict";

import { COUNTS, ECHOES, RUNNINGS, SUMS } from "./calls.mjs";
import { Code, begin, called, calling, message, numbers } from "./grpc_js.mjs";
import { protobuf } from "./packages.mjs";
import { registry } from "./registry.mjs";

const failing = (failCode, failMessage, failDetails = false) => ({ failCode, failMessage, failDetails });

function hasItsDetail({ code, details, trailing }, expected, text) {
  assert.deepEqual([code, details], [Code[expected], text]);
  const [bytes, ...others] = trailing.get("grpc-status-details-bin");
  assert.deepEqual(others, []);
  const status = protobuf.fromBinary(registry.getMessage("google.rpc.Status"), bytes);
  assert.deepEqual([status.code, status.message], [expected, text]);
  const [{ typeUrl, value }] = status.details;
  assert.equal(typeUrl, "type.googleapis.com/google.rpc.BadRequest");
  const { fieldViolations } = protobuf.fromBinary(registry.getMessage("google.rpc.BadRequest"), value);
  assert.deepEqual(
    fieldViolations.map(({ field, description }) => [field, description]),
    [["text", "is not to my liking"]],
  );
}

calling("every code arrives", async ({ parity }) => {
  for (const code of Object.values(Code).filter((code) => Number.isInteger(code) && code > 0)) {
    const outcome = await called(parity, "echo", { plan: failing(code, "no") });
    assert.deepEqual([outcome.code, outcome.details], [Code[code], "no"]);
  }
});

calling("a message arrives as it was written", async ({ parity }) => {
  for (const text of ["größer als 5 € 🦀", "100% of %41 and %zz", "two\nlines\tand a bell\x07", '"so" \\ said / he', "x".repeat(1000)]) {
    assert.equal((await called(parity, "echo", { plan: failing(5, text) })).details, text);
    assert.equal((await called(parity, "count", { to: 1, plan: failing(5, text) })).details, text);
  }
});

calling("details are typed messages, early and late", async ({ parity }) => {
  for (const method of ECHOES) {
    hasItsDetail(await called(parity, method, { plan: failing(9, "nöt so", true) }), 9, "nöt so");
  }
  for (const method of COUNTS) {
    for (const to of [0, 2]) {
      const outcome = await called(parity, method, { to, plan: failing(15, "löst", true) });
      assert.equal(outcome.messages.length, to, method);
      hasItsDetail(outcome, 15, "löst");
    }
  }
  for (const method of [...SUMS, ...RUNNINGS]) {
    const requests = [...numbers(1), { plan: failing(10, "enough", true) }];
    hasItsDetail(await called(parity, method, requests), 10, "enough");
  }
});

calling("an error does not wait for the end of the requests", async ({ parity }) => {
  for (const method of [...SUMS, ...RUNNINGS]) {
    const { call, outcome } = begin(parity, method);
    call.write({ plan: failing(10, "enough") });
    assert.equal((await outcome).code, "ABORTED", method);
  }
});

calling("a panic is internal and says nothing of the inside", async ({ parity }) => {
  for (const method of ECHOES) {
    const outcome = await called(parity, method, { plan: { panic: true } });
    assert.equal(outcome.code, "INTERNAL", method);
    assert.doesNotMatch(outcome.details, /secret/);
  }
  assert.equal((await message(parity, "echo", { text: "still here" })).text, "still here");
});
