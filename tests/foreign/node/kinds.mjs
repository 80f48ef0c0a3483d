// Calls of every kind, to async and to blocking handlers.

import assert from "node:assert/strict";

import { COUNTS, ECHOES, RUNNINGS, SUMS, all, begun, numbers } from "./calls.mjs";
import { protobuf } from "./packages.mjs";
import { registry } from "./registry.mjs";
import { DUPLEX, EVERY, STREAMING, over } from "./wires.mjs";

const Item = registry.getMessage("parity.v1.Item");

const ITEM = protobuf.create(Item, {
  name: "näme 🦀",
  count: -(2n ** 63n),
  weight: Infinity,
  data: Uint8Array.from({ length: 256 }, (_, byte) => byte),
  color: 2,
  tags: ["a", "", "b"],
  stock: { x: 1, "": -1 },
  made: { seconds: 1_709_251_199n, nanos: 999_999_999 },
  origin: { case: "maker", value: "" },
  part: { name: "part", fragile: false, origin: { case: "batch", value: 2n ** 64n - 1n } },
});

over(EVERY, "a message comes back as it was sent", async ({ parity }) => {
  for (const method of ECHOES) {
    const reply = await parity[method]({ text: "hello", item: ITEM, numbers: [1, -1, 2 ** 31 - 1] });
    assert.equal(reply.text, "hello", method);
    assert.ok(protobuf.equals(Item, reply.item, ITEM), `${method}: ${protobuf.toJsonString(Item, reply.item)}`);
    assert.deepEqual(reply.numbers, [1, -1, 2 ** 31 - 1], method);
  }
});

over(EVERY, "an empty message is a message", async ({ parity }) => {
  for (const method of ECHOES) assert.equal((await parity[method]({})).text, "", method);
});

over(EVERY, "a handler knows its call", async ({ parity, wire }) => {
  for (const method of ["describe", "describeBlocking"]) {
    const known = await parity[method]({}, { headers: { "x-deep": "found" } });
    assert.equal(known.protocol, wire.protocol);
    assert.equal(known.method, `parity.v1.Parity/${method[0].toUpperCase()}${method.slice(1)}`);
    assert.equal(known.deepMetadata, "found");
    assert.ok(known.hasPeer);
  }
});

over(EVERY, "a method for raw HTTP bodies is called as any other", async ({ parity }) => {
  const reply = await parity.raw({});
  assert.equal(reply.contentType, "text/plain; charset=utf-8");
  assert.equal(Buffer.from(reply.data).toString(), "raw");
  const pieces = await all(parity.rawStream({}));
  assert.deepEqual(pieces.map((piece) => Buffer.from(piece.data).toString()), ["one,", "two,", "three"]);
});

over(EVERY, "a server stream arrives in order", async ({ parity }) => {
  for (const method of COUNTS) {
    const replies = await all(parity[method]({ to: 1000 }));
    assert.deepEqual(replies.map((reply) => reply.number), Array.from({ length: 1000 }, (_, i) => i + 1), method);
  }
});

over(EVERY, "a server stream may be empty", async ({ parity }) => {
  for (const method of COUNTS) assert.deepEqual(await all(parity[method]({})), [], method);
});

// After the first message nothing comes until the call is cancelled: it cannot have waited for company.
over(EVERY, "each message arrives when it is made", async ({ parity, wire }) => {
  for (const method of COUNTS) {
    const leaving = new AbortController();
    const plan = { awaitCancel: `${wire.name}: after the first of ${method}` };
    const [first] = await begun(parity[method]({ to: 1, plan }, { signal: leaving.signal }));
    assert.equal(first.number, 1, method);
    leaving.abort();
  }
});

over(STREAMING, "all messages of a client stream are read", async ({ parity }) => {
  for (const method of SUMS) {
    const reply = await parity[method](numbers(...Array(1000).keys()));
    assert.deepEqual([reply.sum, reply.count], [499_500n, 1000], method);
  }
});

over(STREAMING, "a client stream may be empty", async ({ parity }) => {
  for (const method of SUMS) assert.equal((await parity[method](numbers())).count, 0, method);
});

over(STREAMING, "every message of a conversation has its reply", async ({ parity }) => {
  for (const method of RUNNINGS) {
    const replies = await all(parity[method](numbers(1, 2, 3)));
    assert.deepEqual(replies.map((reply) => reply.sum), [1n, 3n, 6n], method);
    assert.deepEqual(await all(parity[method](numbers())), [], method);
  }
});

over(DUPLEX, "a reply arrives before the next request is sent", async ({ parity }) => {
  for (const method of RUNNINGS) {
    let answered = () => {};
    async function* requests() {
      for (let number = 1n; number <= 10n; number += 1n) {
        const reply = new Promise((resolve) => (answered = resolve));
        yield { number };
        await reply;
      }
    }
    const sums = [];
    for await (const { sum } of parity[method](requests())) {
      sums.push(sum);
      answered();
    }
    assert.deepEqual(sums, [1n, 3n, 6n, 10n, 15n, 21n, 28n, 36n, 45n, 55n], method);
  }
});
