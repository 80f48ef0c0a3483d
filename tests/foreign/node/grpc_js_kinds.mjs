// Calls of every kind with grpc-js, to async and to blocking handlers.

import assert from "node:assert/strict";

import { COUNTS, ECHOES, RUNNINGS, SUMS } from "./calls.mjs";
import { begin, calling, message, messages, numbers } from "./grpc_js.mjs";
import { protobuf } from "./packages.mjs";
import { registry } from "./registry.mjs";

const Item = registry.getMessage("parity.v1.Item");

calling("a message comes back as it was sent", async ({ parity }) => {
  const item = protobuf.create(Item, {
    name: "näme 🦀",
    count: -(2n ** 63n),
    data: Uint8Array.from({ length: 256 }, (_, byte) => byte),
    stock: { x: 1, "": -1 },
    origin: { case: "batch", value: 2n ** 64n - 1n },
  });
  for (const method of ECHOES) {
    const reply = await message(parity, method, { text: "hello", item, numbers: [1, -1, 2 ** 31 - 1] });
    assert.deepEqual([reply.text, reply.numbers], ["hello", [1, -1, 2 ** 31 - 1]], method);
    assert.ok(protobuf.equals(Item, reply.item, item), method);
    assert.equal(reply.onScheduler, method !== "echo", method);
  }
});

calling("an empty message is a message", async ({ parity }) => {
  for (const method of ECHOES) assert.equal((await message(parity, method, {})).text, "", method);
});

calling("a handler knows its call", async ({ parity }) => {
  for (const method of ["describe", "describeBlocking"]) {
    const known = await message(parity, method, {}, { deadline: Date.now() + 30_000 });
    assert.equal(known.protocol, "grpc");
    assert.equal(known.method, `parity.v1.Parity/${method[0].toUpperCase()}${method.slice(1)}`);
    assert.ok(known.hasDeadline && known.hasPeer);
  }
});

calling("a server stream arrives in order, or is empty", async ({ parity }) => {
  for (const method of COUNTS) {
    for (const to of [0, 1, 1000]) {
      const replies = await messages(parity, method, { to });
      assert.deepEqual(replies.map(({ number }) => number), Array.from({ length: to }, (_, i) => i + 1), method);
    }
  }
});

calling("all messages of a client stream are read, and none is", async ({ parity }) => {
  for (const method of SUMS) {
    const { sum, count } = await message(parity, method, numbers(...Array(1000).keys()));
    assert.deepEqual([sum, count], [499_500n, 1000], method);
    assert.equal((await message(parity, method, [])).count, 0, method);
  }
});

calling("every message of a conversation has its reply", async ({ parity }) => {
  for (const method of RUNNINGS) {
    const replies = await messages(parity, method, numbers(1, 2, 3));
    assert.deepEqual(replies.map(({ sum }) => sum), [1n, 3n, 6n], method);
    assert.deepEqual(await messages(parity, method, []), [], method);
  }
});

calling("a reply arrives before the next request is sent", async ({ parity }) => {
  for (const method of RUNNINGS) {
    const { call, outcome } = begin(parity, method);
    const sums = [];
    call.on("data", ({ sum, count }) => {
      sums.push(sum);
      if (count < 10) call.write({ number: BigInt(count + 1) });
      else call.end();
    });
    call.write({ number: 1n });
    assert.equal((await outcome).code, "OK");
    assert.deepEqual(sums, [1n, 3n, 6n, 10n, 15n, 21n, 28n, 36n, 45n, 55n], method);
  }
});

calling("many calls at once on one connection", async ({ parity }) => {
  const texts = Array.from({ length: 500 }, (_, index) => `call ${index}`);
  const replies = await Promise.all(texts.map((text, i) => message(parity, ECHOES[i % ECHOES.length], { text })));
  assert.deepEqual(replies.map(({ text }) => text), texts);
});
