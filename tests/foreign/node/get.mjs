// Connect's GET, for a method without side effects: what is asked is looked at on its way out.

import assert from "node:assert/strict";

import { Code, LIMIT_BYTES, failsWith } from "./calls.mjs";
import { connectNode, protobuf } from "./packages.mjs";
import { registry } from "./registry.mjs";
import { BASE_URL, CONNECT, NODE, NODE_HTTP2, over } from "./wires.mjs";
import { wireTap } from "./wire_tap.mjs";

const SeeRequest = registry.getMessage("edge.v1.SeeRequest");
const Seen = registry.getMessage("edge.v1.Seen");

const REQUEST = protobuf.create(SeeRequest, {
  name: "a+b c&d=é%41 🦀",
  id: "?#/\\",
  made: { seconds: 1_709_251_199n, nanos: 5 },
  flag: true,
  color: 2,
  data: new Uint8Array([0xfb, 0xff, 0]),
  boxed: -1n,
  inner: { id: "in", inner: { size: -1 } },
  ids: ["", "b"],
  labels: { "a&b": "c=d" },
  mask: { paths: ["inner.id"] },
  weight: -0.5,
  count: 2n ** 64n - 1n,
  maybe: 0,
});

// Keeps the method and the path of each request on its connection: HTTP/2 packs them.
class Watched extends connectNode.Http2SessionManager {
  asked = [];

  request(method, path, ...rest) {
    this.asked.push([method, path]);
    return super.request(method, path, ...rest);
  }
}

async function watch(wire, t) {
  if (!NODE_HTTP2.includes(wire)) {
    const { baseUrl, asked } = await wireTap(t);
    return { asked, options: { baseUrl } };
  }
  const sessionManager = new Watched(BASE_URL);
  t.after(() => sessionManager.abort());
  return { asked: sessionManager.asked, options: { sessionManager } };
}

// A test with clients that may use GET, and what they ask.
function watched(wires, sentence, check) {
  over(wires, sentence, async ({ client, wire, t }) => {
    const { asked, options } = await watch(wire, t);
    const watchedClient = (service, more) => client(service, { useHttpGet: true, ...options, ...more });
    await check({ client: watchedClient, asked, wire });
  });
}

async function seesAll(edge) {
  const { binding, ...seen } = protobuf.toJson(Seen, await edge.see(REQUEST, { timeoutMs: 30_000 }));
  assert.deepEqual(seen, protobuf.toJson(SeeRequest, REQUEST));
}

watched(CONNECT, "a method without side effects is asked by GET", async ({ client, asked, wire }) => {
  await seesAll(client("edge.v1.Edge"));
  const [[method, path], ...others] = asked;
  const encoding = wire.useBinaryFormat ? "base64=1&encoding=proto" : "encoding=json";
  assert.equal(method, "GET");
  assert.ok(path.startsWith(`/edge.v1.Edge/See?connect=v1&${encoding}&message=`), path);
  assert.deepEqual(others, []);
});

watched(CONNECT, "an empty message is asked by GET", async ({ client, asked }) => {
  assert.equal((await client("edge.v1.Edge").see({})).name, "");
  assert.equal(asked[0][0], "GET");
});

watched(CONNECT, "a method that may have side effects is asked by POST", async ({ client, asked }) => {
  assert.equal((await client("edge.v1.Edge").unruled({ name: "posted" })).name, "posted");
  assert.equal((await client("parity.v1.Parity").echo({ text: "posted" })).text, "posted");
  assert.deepEqual(asked, [["POST", "/edge.v1.Edge/Unruled"], ["POST", "/parity.v1.Parity/Echo"]]);
});

watched(NODE, "a compressed message is asked by GET", async ({ client, asked }) => {
  for (const sendCompression of [connectNode.compressionGzip, connectNode.compressionBrotli]) {
    await seesAll(client("edge.v1.Edge", { sendCompression, compressMinBytes: 0 }));
    const [method, path] = asked.pop();
    assert.equal(method, "GET");
    assert.ok(path.includes(`&compression=${sendCompression.name}&`), path);
  }
});

watched(NODE, "a query that unpacks to more than the limit is resource_exhausted", async ({ client, asked }) => {
  const edge = client("edge.v1.Edge", { sendCompression: connectNode.compressionBrotli });
  await failsWith(Code.ResourceExhausted, edge.see({ name: "x".repeat(LIMIT_BYTES + 1) }));
  assert.equal(asked[0][0], "GET");
});
