// Errors that handlers end with: code, message and details, before and after the first message.

import assert from "node:assert/strict";

import { COUNTS, Code, ECHOES, RUNNINGS, SUMS, all, failsWith, numbers, stillServes } from "./calls.mjs";
import { registry } from "./registry.mjs";
import { EVERY, STREAMING, over } from "./wires.mjs";

const MESSAGES = {
  empty: "",
  plain: "is not to my liking",
  "beyond ASCII": "größer als 5 € 🦀",
  "percent signs": "100% of %41 and %zz",
  "control characters": "two\nlines\tand a bell\x07",
  "quotes and slashes": '"so" \\ said / he',
  "blanks at both ends": " a ",
  long: "long ".repeat(200),
};

const failing = (failCode, failMessage, failDetails = false) => ({ failCode, failMessage, failDetails });

function hasItsDetail(error) {
  const [{ $typeName, fieldViolations }, ...others] = error.findDetails(registry);
  assert.equal($typeName, "google.rpc.BadRequest");
  assert.deepEqual(
    fieldViolations.map(({ field, description }) => [field, description]),
    [["text", "is not to my liking"]],
  );
  assert.deepEqual(others, []);
}

over(EVERY, "every code arrives", async ({ parity }) => {
  for (const code of Object.values(Code).filter(Number.isInteger)) {
    await failsWith(code, parity.echo({ plan: failing(code, "no") }));
  }
});

over(EVERY, "a message arrives as it was written", async ({ parity }) => {
  for (const [what, message] of Object.entries(MESSAGES)) {
    const error = await failsWith(Code.NotFound, parity.echo({ plan: failing(Code.NotFound, message) }));
    assert.equal(error.rawMessage, message, what);
    const late = await failsWith(Code.NotFound, all(parity.count({ to: 1, plan: failing(Code.NotFound, message) })));
    assert.equal(late.rawMessage, message, `${what}, of a stream`);
  }
});

over(EVERY, "details are typed messages", async ({ parity }) => {
  for (const method of ECHOES) {
    const plan = failing(Code.FailedPrecondition, "not so", true);
    hasItsDetail(await failsWith(Code.FailedPrecondition, parity[method]({ plan })));
  }
});

over(EVERY, "messages before an error arrive", async ({ parity }) => {
  for (const method of COUNTS) {
    const arrived = [];
    const plan = failing(Code.DataLoss, "lost", true);
    const counting = (async () => {
      for await (const { number } of parity[method]({ to: 2, plan })) arrived.push(number);
    })();
    const error = await failsWith(Code.DataLoss, counting);
    assert.deepEqual(arrived, [1, 2], method);
    assert.equal(error.rawMessage, "lost");
    hasItsDetail(error);
  }
});

over(EVERY, "a stream may fail before its first message", async ({ parity }) => {
  for (const method of COUNTS) {
    const plan = failing(Code.NotFound, "nothing to count", true);
    const error = await failsWith(Code.NotFound, all(parity[method]({ plan })));
    assert.equal(error.rawMessage, "nothing to count", method);
    hasItsDetail(error);
  }
});

over(STREAMING, "a client stream may fail", async ({ parity }) => {
  for (const method of SUMS) {
    async function* requests() {
      yield { number: 1n };
      yield { plan: failing(Code.Aborted, "enough", true) };
    }
    const error = await failsWith(Code.Aborted, parity[method](requests()));
    assert.equal(error.rawMessage, "enough", method);
    hasItsDetail(error);
  }
});

over(STREAMING, "an error does not wait for the end of the requests", async ({ parity }) => {
  for (const method of SUMS) {
    let over = () => {};
    const waits = new Promise((resolve) => (over = resolve));
    async function* requests() {
      yield { plan: failing(Code.Aborted, "enough") };
      await waits;
    }
    await failsWith(Code.Aborted, parity[method](requests()));
    over();
  }
});

over(STREAMING, "an error ends both directions", async ({ parity }) => {
  for (const method of RUNNINGS) {
    async function* requests() {
      yield* numbers(1);
      yield { plan: failing(Code.OutOfRange, "enough") };
    }
    const sums = [];
    const running = (async () => {
      for await (const { sum } of parity[method](requests())) sums.push(sum);
    })();
    await failsWith(Code.OutOfRange, running);
    assert.deepEqual(sums, [1n], method);
  }
});

over(EVERY, "a panic is internal and says nothing of the inside", async ({ parity }) => {
  const plan = { panic: true };
  for (const method of ECHOES) {
    const error = await failsWith(Code.Internal, parity[method]({ plan }));
    assert.doesNotMatch(error.message, /secret/, method);
  }
  for (const method of COUNTS) {
    const error = await failsWith(Code.Internal, all(parity[method]({ to: 1, plan })));
    assert.doesNotMatch(error.message, /secret/, method);
  }
  await stillServes(parity);
});

over(EVERY, "a method of a service that is not served is unimplemented", async ({ client }) => {
  const byHand = client("parity.v1.ByHand");
  await failsWith(Code.Unimplemented, byHand.shout({ text: "hello" }));
  await failsWith(Code.Unimplemented, all(byHand.spell({ text: "hello" })));
});
