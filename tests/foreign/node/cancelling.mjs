// Asking what a handler saw of the end of its call.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

// `cancelled(key, millis)` makes a call with this key to wait under, and ends it after this long. On a busy machine
// that may be before the handler has begun, which then never hears of it: so again, with more time.
export async function cancelReason(parity, cancelled) {
  for (const millis of [50, 200, 500, 2000, 8000]) {
    const key = randomUUID();
    const start = performance.now();
    await cancelled(key, millis);
    // Refused: the scheduler knows how long such handlers took, and does not begin what cannot end in time.
    if (performance.now() - start < millis / 2) continue;
    const reason = await observed(parity, key);
    if (reason) return reason;
  }
  assert.fail("no handler ever heard that its call was cancelled");
}

async function observed(parity, key) {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const { reason } = await parity.observe({ key });
    if (reason) return reason;
    await sleep(20);
  }
  return "";
}
