// A client that aborts: its handler learns of it, whatever the kind of method.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

import { COUNTS, Code, ECHOES, RUNNINGS, SUMS, all, begun, failsWith, numbers, stillServes } from "./calls.mjs";
import { cancelReason } from "./cancelling.mjs";
import { EVERY, STREAMING, over } from "./wires.mjs";

// Begins a call with a plan to wait for its end, aborts it, and asks what its handler saw.
async function seesTheClientGo(parity, begin) {
  const reason = await cancelReason(parity, async (awaitCancel, millis) => {
    const leaving = new AbortController();
    const call = failsWith(Code.Canceled, begin({ awaitCancel }, { signal: leaving.signal }));
    await sleep(millis);
    leaving.abort();
    await call;
  });
  assert.equal(reason, "ClientGone");
}

over(EVERY, "a unary call is aborted", async ({ parity }) => {
  for (const method of ECHOES) {
    await seesTheClientGo(parity, (plan, options) => parity[method]({ plan }, options));
  }
});

over(EVERY, "a server stream is aborted", async ({ parity }) => {
  for (const method of COUNTS) {
    await seesTheClientGo(parity, (plan, options) => all(parity[method]({ to: 1, plan }, options)));
  }
});

over(STREAMING, "a client stream is aborted", async ({ parity }) => {
  for (const method of SUMS) {
    await seesTheClientGo(parity, (plan, options) => parity[method](one({ plan }), options));
  }
});

over(STREAMING, "a conversation is aborted", async ({ parity }) => {
  for (const method of RUNNINGS) {
    await seesTheClientGo(parity, (plan, options) => all(parity[method](one({ plan }), options)));
  }
});

over(EVERY, "an endless stream that is left ends", async ({ parity }) => {
  for (const method of COUNTS) {
    const leaving = new AbortController();
    const endless = { to: 2 ** 31 - 1, plan: {} };
    const [first, rest] = await begun(parity[method](endless, { signal: leaving.signal }));
    assert.equal(first.number, 1, method);
    leaving.abort();
    await failsWith(Code.Canceled, all(rest));
  }
  await stillServes(parity);
});

async function* one(request) {
  yield request;
}
