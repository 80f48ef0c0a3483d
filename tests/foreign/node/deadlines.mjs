// Deadlines: the caller's, the method's own, and over streams.

import assert from "node:assert/strict";

import { COUNTS, Code, ECHOES, all, begun, failsWith } from "./calls.mjs";
import { cancelReason } from "./cancelling.mjs";
import { EVERY, isGrpc, over } from "./wires.mjs";

const exceeds = (call) => failsWith(Code.DeadlineExceeded, call);

over(EVERY, "a slow handler is cut off", async ({ parity }) => {
  for (const method of ECHOES) {
    // Nobody can end a blocking handler's sleep: its thread is back soon.
    await exceeds(parity[method]({ plan: { sleepMs: 1000 } }, { timeoutMs: 200 }));
  }
});

over(EVERY, "a handler knows whether it has a deadline", async ({ parity }) => {
  assert.ok((await parity.describe({}, { timeoutMs: 30_000 })).hasDeadline);
  assert.ok(!(await parity.describe({})).hasDeadline);
});

// The timeout is said by hand, so that no clock of the client's ends the stream first. (Where both strike at once,
// Node.js's fetch loses the end of the body now and then, and waits for ever.)
over(EVERY, "a deadline bounds a whole stream", async ({ parity, wire }) => {
  const headers = isGrpc(wire) ? { "grpc-timeout": "600m" } : { "connect-timeout-ms": "600" };
  const counting = COUNTS.map(async (method) => {
    const [first, rest] = await begun(parity[method]({ to: 1000, pauseMs: 20 }, { headers }));
    assert.equal(first.number, 1, method);
    await exceeds(all(rest));
  });
  await Promise.all(counting);
});

// No timeout here: what ends the call is the server's answer.
over(EVERY, "a method has a deadline of its own", async ({ parity }) => {
  const error = await exceeds(parity.hurried({ plan: { sleepMs: 10_000 } }));
  assert.equal(error.rawMessage, "the call cannot be answered before its deadline");
});

over(EVERY, "the handler learns that its deadline passed", async ({ parity }) => {
  for (const method of ["echo", "echoBlocking"]) {
    const reason = await cancelReason(parity, (awaitCancel, timeoutMs) =>
      exceeds(parity[method]({ plan: { awaitCancel } }, { timeoutMs })),
    );
    // The client may hang up before the server's own clock strikes: both are true then.
    assert.ok(["DeadlineExceeded", "ClientGone"].includes(reason), reason);
  }
});
