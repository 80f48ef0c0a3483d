// Connect's GET, for a method without side effects: what is asked is looked at on its way out.

import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";

import { Code, failsWith } from "./calls.mjs";
import { connectNode, protobuf } from "./packages.mjs";
import { registry } from "./registry.mjs";
import { BASE_URL, NODE_HTTP1, NODE_HTTP2, WEB, over } from "./wires.mjs";

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

// The options of a transport that keeps the method and the path of each request.
const WATCHED = [
  [
    NODE_HTTP1,
    (t, asked) => {
      const keep = ({ request }) => asked.push([request.method, request.path]);
      subscribe("http.client.request.start", keep);
      t.after(() => unsubscribe("http.client.request.start", keep));
      return {};
    },
  ],
  [
    NODE_HTTP2,
    (t, asked) => {
      class Watched extends connectNode.Http2SessionManager {
        request(method, path, ...rest) {
          asked.push([method, path]);
          return super.request(method, path, ...rest);
        }
      }
      const sessionManager = new Watched(BASE_URL);
      t.after(() => sessionManager.abort());
      return { sessionManager };
    },
  ],
  [
    WEB,
    (_, asked) => ({
      fetch: (url, init) => {
        asked.push([init.method, url.slice(BASE_URL.length)]);
        return fetch(url, init);
      },
    }),
  ],
];

// A test with a client that may use GET, and the requests that it makes.
function watched(sentence, check) {
  for (const [wires, options] of WATCHED) {
    over(wires, sentence, async ({ client, wire, t }) => {
      const asked = [];
      const watching = { useHttpGet: true, ...options(t, asked) };
      await check({ client: (service, more) => client(service, { ...watching, ...more }), asked, wire });
    });
  }
}

async function seesAll(edge) {
  const { binding, ...seen } = protobuf.toJson(Seen, await edge.see(REQUEST, { timeoutMs: 30_000 }));
  assert.deepEqual(seen, protobuf.toJson(SeeRequest, REQUEST));
}

watched("a method without side effects is asked by GET", async ({ client, asked, wire }) => {
  await seesAll(client("edge.v1.Edge"));
  const [[method, path], ...others] = asked;
  const encoding = wire.useBinaryFormat ? "base64=1&encoding=proto" : "encoding=json";
  assert.equal(method, "GET");
  assert.ok(path.startsWith(`/edge.v1.Edge/See?connect=v1&${encoding}&message=`), path);
  assert.deepEqual(others, []);
});

watched("an empty message is asked by GET", async ({ client, asked }) => {
  assert.equal((await client("edge.v1.Edge").see({})).name, "");
  assert.equal(asked[0][0], "GET");
});

watched("a method that may have side effects is asked by POST", async ({ client, asked }) => {
  assert.equal((await client("edge.v1.Edge").unruled({ name: "posted" })).name, "posted");
  assert.equal((await client("parity.v1.Parity").echo({ text: "posted" })).text, "posted");
  assert.deepEqual(asked, [["POST", "/edge.v1.Edge/Unruled"], ["POST", "/parity.v1.Parity/Echo"]]);
});

for (const sendCompression of [connectNode.compressionGzip, connectNode.compressionBrotli]) {
  watched(`a message packed by ${sendCompression.name} is asked by GET`, async ({ client, asked, wire }) => {
    // Fetch packs nothing.
    if (WEB.includes(wire)) return;
    await seesAll(client("edge.v1.Edge", { sendCompression, compressMinBytes: 0 }));
    const [[method, path]] = asked;
    assert.equal(method, "GET");
    assert.ok(path.includes(`&compression=${sendCompression.name}&`), path);
  });
}

watched("a message in a query that unpacks to more than the limit is resource_exhausted", async (watching) => {
  if (WEB.includes(watching.wire)) return;
  const options = { sendCompression: connectNode.compressionBrotli };
  const edge = watching.client("edge.v1.Edge", options);
  await failsWith(Code.ResourceExhausted, edge.see({ name: "x".repeat(20_000_000) }));
  assert.equal(watching.asked[0][0], "GET");
});
