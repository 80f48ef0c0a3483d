// Metadata both ways: text and bytes, leading and trailing.

import assert from "node:assert/strict";

import { Code, failsWith } from "./calls.mjs";
import { connect } from "./packages.mjs";
import { EVERY, over } from "./wires.mjs";

const { decodeBinaryHeader, encodeBinaryHeader } = connect;

// Sends metadata and returns what comes back of it: leading and trailing.
async function sentBack(call, headers) {
  const back = {};
  const under = (where) => (entries) => {
    back[where] = Object.fromEntries([...entries].filter(([name]) => /^x-(echo|trail)-/.test(name)));
  };
  const options = { headers, onHeader: under("leading"), onTrailer: under("trailing") };
  await call({ plan: { echoMetadata: true } }, options);
  return back;
}

over(EVERY, "headers come back as headers and trailers as trailers", async ({ parity }) => {
  for (const method of ["echo", "echoBlocking"]) {
    const back = await sentBack(parity[method], { "x-echo-a": "one, two ~!", "x-trail-a": "last" });
    assert.deepEqual(back, { leading: { "x-echo-a": "one, two ~!" }, trailing: { "x-trail-a": "last" } }, method);
  }
});

over(EVERY, "bytes of any length survive", async ({ parity }) => {
  // Each length ends its base64 in another way.
  for (let length = 1; length < 6; length += 1) {
    const bytes = Uint8Array.from({ length }, (_, index) => 255 - index);
    const value = encodeBinaryHeader(bytes);
    const { leading, trailing } = await sentBack(parity.echo, { "x-echo-b-bin": value, "x-trail-b-bin": value });
    assert.deepEqual(decodeBinaryHeader(leading["x-echo-b-bin"]), bytes);
    assert.deepEqual(decodeBinaryHeader(trailing["x-trail-b-bin"]), bytes);
  }
});

over(EVERY, "several values of one name all come back", async ({ parity }) => {
  const headers = [["x-echo-a", "1"], ["x-echo-a", "2"], ["x-trail-a", "3"], ["x-trail-a", "4"]];
  const back = await sentBack(parity.echo, headers);
  assert.deepEqual(back, { leading: { "x-echo-a": "1, 2" }, trailing: { "x-trail-a": "3, 4" } });
});

over(EVERY, "trailers come with an error, too", async ({ parity }) => {
  const plan = { echoMetadata: true, failCode: Code.Aborted };
  const error = await failsWith(Code.Aborted, parity.echo({ plan }, { headers: { "x-trail-a": "last" } }));
  assert.equal(error.metadata.get("x-trail-a"), "last");
});
