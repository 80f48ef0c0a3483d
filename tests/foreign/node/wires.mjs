// The ways to call: each of Connect's transports with each codec, and each version of HTTP it speaks.

import { test } from "node:test";

import { connect, connectNode, connectWeb } from "./packages.mjs";
import { registry } from "./registry.mjs";

export const BASE_URL = `http://${process.env.PARITY_ADDRESS}`;

const named = (useBinaryFormat) => (useBinaryFormat ? "protobuf" : "JSON");

// Megabytes. Node.js counts what waits to be sent, and drops answers that come when its 10 are used up.
const maxSessionMemory = 1000;

// A connection of the test's own, which ends with it: open, it would keep the process.
function http2(t, baseUrl) {
  const sessionManager = new connectNode.Http2SessionManager(baseUrl, {}, { maxSessionMemory });
  t.after(() => sessionManager.abort());
  return { baseUrl, httpVersion: "2", sessionManager };
}

const ofNode1 = (useBinaryFormat) => ({
  name: `connect-node, HTTP/1.1, ${named(useBinaryFormat)}`,
  protocol: "rpc",
  useBinaryFormat,
  transport: (_, { baseUrl = BASE_URL, ...options }) =>
    connectNode.createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat, ...options }),
});

const ofNode2 = (useBinaryFormat) => ({
  name: `connect-node, HTTP/2, ${named(useBinaryFormat)}`,
  protocol: "rpc",
  useBinaryFormat,
  transport: (t, { baseUrl = BASE_URL, ...options }) =>
    connectNode.createConnectTransport({ ...http2(t, baseUrl), useBinaryFormat, ...options }),
});

const ofWeb = (useBinaryFormat) => ({
  name: `connect-web, ${named(useBinaryFormat)}`,
  protocol: "rpc",
  useBinaryFormat,
  transport: (_, { baseUrl = BASE_URL, ...options }) =>
    connectWeb.createConnectTransport({ baseUrl, useBinaryFormat, ...options }),
});

export const NODE_HTTP1 = [ofNode1(true), ofNode1(false)];
export const NODE_HTTP2 = [ofNode2(true), ofNode2(false)];
export const WEB = [ofWeb(true), ofWeb(false)];
export const GRPC = [
  {
    name: "connect-node, gRPC",
    protocol: "grpc",
    useBinaryFormat: true,
    transport: (t, { baseUrl = BASE_URL, ...options }) =>
      connectNode.createGrpcTransport({ ...http2(t, baseUrl), ...options }),
  },
];

const webOfNode = (name, options) => ({
  name: `connect-node, gRPC-Web, ${name}`,
  protocol: "grpc_web",
  useBinaryFormat: true,
  transport: (t, { baseUrl = BASE_URL, ...others }) =>
    connectNode.createGrpcWebTransport({ ...options(t, baseUrl), ...others }),
});

export const GRPC_WEB_HTTP1 = [webOfNode("HTTP/1.1", (_, baseUrl) => ({ baseUrl, httpVersion: "1.1" }))];
export const GRPC_WEB_HTTP2 = [webOfNode("HTTP/2", http2)];
export const GRPC_WEB_FETCH = [
  {
    name: "connect-web, gRPC-Web",
    protocol: "grpc_web",
    useBinaryFormat: true,
    transport: (_, { baseUrl = BASE_URL, ...options }) => connectWeb.createGrpcWebTransport({ baseUrl, ...options }),
  },
];
export const GRPC_WEB = [...GRPC_WEB_HTTP1, ...GRPC_WEB_HTTP2, ...GRPC_WEB_FETCH];

export const NODE = [...NODE_HTTP1, ...NODE_HTTP2];
export const CONNECT = [...NODE, ...WEB];
export const EVERY = [...CONNECT, ...GRPC, ...GRPC_WEB];
// What streams requests: fetch does not.
export const STREAMING = [...NODE, ...GRPC, ...GRPC_WEB_HTTP1, ...GRPC_WEB_HTTP2];
// Where a reply can be read before the request has ended.
export const DUPLEX = [...NODE_HTTP2, ...GRPC, ...GRPC_WEB_HTTP2];

export const isGrpc = ({ protocol }) => protocol.startsWith("grpc");

// What both sides of a wire can pack messages with: the server's gRPC has no Brotli.
export function codings({ protocol }) {
  const { compressionBrotli, compressionGzip } = connectNode;
  return isGrpc({ protocol }) ? [compressionGzip] : [compressionGzip, compressionBrotli];
}

// A test over each of these wires, with a client of its own.
export function over(wires, sentence, check) {
  for (const wire of wires) {
    test(`${sentence} (${wire.name})`, { timeout: 30_000 }, async (t) => {
      const client = (service, options = {}) =>
        connect.createClient(registry.getService(service), wire.transport(t, options));
      await check({ parity: client("parity.v1.Parity"), client, wire, t });
    });
  }
}
