// Calls of grpc-js that end early: by a deadline, or because the client left. The handler learns of it.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

import { COUNTS, ECHOES, RUNNINGS, SUMS } from "./calls.mjs";
import { cancelReason } from "./cancelling.mjs";
import { begin, called, calling, message, numbers } from "./grpc_js.mjs";

const within = (millis) => ({ deadline: Date.now() + millis });

// What `cancelReason` asks with.
const observing = (parity) => ({ observe: (request) => message(parity, "observe", request) });

calling("a slow handler is cut off", async ({ parity }) => {
  for (const method of ECHOES) {
    const { code } = await called(parity, method, { plan: { sleepMs: 1000 } }, within(200));
    assert.equal(code, "DEADLINE_EXCEEDED", method);
  }
});

calling("a deadline bounds a whole stream", async ({ parity }) => {
  for (const method of COUNTS) {
    const outcome = await called(parity, method, { to: 1000, pauseMs: 20 }, within(2000));
    assert.equal(outcome.code, "DEADLINE_EXCEEDED", method);
    assert.equal(outcome.messages[0].number, 1, method);
  }
});

calling("a deadline passes while the server waits for the client", async ({ parity }) => {
  for (const method of [...SUMS, ...RUNNINGS]) {
    const { call, outcome } = begin(parity, method, undefined, within(500));
    call.write(numbers(1)[0]);
    assert.equal((await outcome).code, "DEADLINE_EXCEEDED", method);
  }
});

// No deadline here: what ends the call is the server's answer.
calling("a method has a deadline of its own", async ({ parity }) => {
  const { code, details } = await called(parity, "hurried", { plan: { sleepMs: 10_000 } });
  assert.deepEqual([code, details], ["DEADLINE_EXCEEDED", "the call cannot be answered before its deadline"]);
});

calling("a handler learns that its deadline passed", async ({ parity }) => {
  for (const method of ["echo", "echoBlocking"]) {
    const reason = await cancelReason(observing(parity), async (awaitCancel, millis) => {
      const { code } = await called(parity, method, { plan: { awaitCancel } }, within(millis));
      assert.equal(code, "DEADLINE_EXCEEDED");
    });
    // The client may hang up before the server's own clock strikes: both are true then.
    assert.ok(["DeadlineExceeded", "ClientGone"].includes(reason), reason);
  }
});

calling("a handler learns that its caller has left, whatever the kind", async ({ parity }) => {
  const kinds = [
    [ECHOES, (plan) => ({ plan })],
    [COUNTS, (plan) => ({ to: 1, plan })],
    [SUMS, (plan) => [{ plan }]],
    [RUNNINGS, (plan) => [{ plan }]],
  ];
  for (const [methods, request] of kinds) {
    for (const method of methods) {
      const reason = await cancelReason(observing(parity), async (awaitCancel, millis) => {
        const { call, outcome } = begin(parity, method, request({ awaitCancel }));
        await sleep(millis);
        call.cancel();
        assert.equal((await outcome).code, "CANCELLED");
      });
      assert.equal(reason, "ClientGone", method);
    }
  }
});
