// Metadata both ways with grpc-js: text and bytes, leading and trailing.

import assert from "node:assert/strict";

import { called, calling, metadata } from "./grpc_js.mjs";

const ours = (entries) =>
  Object.fromEntries(
    Object.keys(entries.getMap())
      .filter((name) => /^x-(echo|trail)-/.test(name))
      .map((name) => [name, entries.get(name)]),
  );

async function sentBack(parity, method, ...entries) {
  const outcome = await called(parity, method, { plan: { echoMetadata: true } }, { metadata: metadata(...entries) });
  assert.equal(outcome.code, "OK");
  return [ours(outcome.leading), ours(outcome.trailing)];
}

calling("text comes back where it belongs, each value of several", async ({ parity }) => {
  for (const method of ["echo", "echoBlocking"]) {
    const sent = [["x-echo-a", "one, two ~!"], ["x-echo-c", "1"], ["x-echo-c", "2"], ["x-trail-a", "3"], ["x-trail-a", "4"]];
    const back = await sentBack(parity, method, ...sent);
    // What Node.js makes of several headers of one name is one of them.
    assert.deepEqual(
      back.map((entries) => Object.fromEntries(Object.entries(entries).map(([name, all]) => [name, all.join(", ")]))),
      [{ "x-echo-a": "one, two ~!", "x-echo-c": "1, 2" }, { "x-trail-a": "3, 4" }],
      method,
    );
  }
});

calling("bytes of any length survive", async ({ parity }) => {
  // Each length ends its base64 in another way.
  for (let length = 1; length < 6; length += 1) {
    const bytes = Buffer.from(Array.from({ length }, (_, index) => 255 - index));
    const back = await sentBack(parity, "echo", ["x-echo-b-bin", bytes], ["x-trail-b-bin", bytes]);
    assert.deepEqual(back, [{ "x-echo-b-bin": [bytes] }, { "x-trail-b-bin": [bytes] }]);
  }
});

calling("several values of bytes all come back", async ({ parity }) => {
  const values = [Buffer.from([0]), Buffer.from([255, 254])];
  const back = await sentBack(parity, "echo", ...values.map((value) => ["x-echo-b-bin", value]));
  assert.deepEqual(back, [{ "x-echo-b-bin": values }, {}]);
});

calling("trailers come with an error, too", async ({ parity }) => {
  const plan = { echoMetadata: true, failCode: 10 };
  const outcome = await called(parity, "echo", { plan }, { metadata: metadata(["x-trail-a", "last"]) });
  assert.equal(outcome.code, "ABORTED");
  assert.deepEqual(ours(outcome.trailing), { "x-trail-a": ["last"] });
});
