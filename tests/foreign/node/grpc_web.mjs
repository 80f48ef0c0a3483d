// gRPC-Web's own client for browsers, in both of its spellings: bytes, and base64 as a whole. What a browser has and
// Node.js has not, XMLHttpRequest, is xhr2's.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { COUNTS, ECHOES } from "./calls.mjs";
import { cancelReason } from "./cancelling.mjs";
import { grpcWeb, protobuf, xhr2 } from "./packages.mjs";
import { registry } from "./registry.mjs";
import { BASE_URL } from "./wires.mjs";

globalThis.XMLHttpRequest = xhr2.XMLHttpRequest;

const { GrpcWebClientBase, MethodDescriptor, MethodType, StatusCode } = grpcWeb;
const service = registry.getService("parity.v1.Parity");

const nameOf = (code) => Object.entries(StatusCode).find(([, value]) => value === code)?.[0];

// Makes a call and returns how it ended: its messages, both metadata, and its status. Nothing is thrown.
function begin(client, localName, request, metadata = {}) {
  const { name, input, output, methodKind } = service.method[localName];
  const descriptor = new MethodDescriptor(
    `/parity.v1.Parity/${name}`,
    methodKind === "unary" ? MethodType.UNARY : MethodType.SERVER_STREAMING,
    Object,
    Object,
    (message) => protobuf.toBinary(input, protobuf.create(input, message)),
    (bytes) => protobuf.fromBinary(output, bytes),
  );
  const at = BASE_URL + descriptor.getName();
  const ended = { messages: [], leading: {}, trailing: {} };
  let call;
  const outcome = new Promise((resolve) => {
    const status = ({ code, details, message, metadata }) =>
      Object.assign(ended, { code: nameOf(code), details: details ?? message, trailing: { ...ended.trailing, ...metadata } });
    if (methodKind === "unary") {
      call = client.rpcCall(at, request, metadata, descriptor, (error, message) => {
        if (error) resolve(status(error));
        else ended.messages.push(message);
      });
    } else {
      call = client.serverStreaming(at, request, metadata, descriptor);
      call.on("data", (message) => ended.messages.push(message));
      call.on("error", (error) => resolve(status(error)));
    }
    call.on("metadata", (metadata) => (ended.leading = metadata));
    call.on("status", status);
    call.on("end", () => resolve(ended));
  });
  return { call, outcome };
}

const called = (...all) => begin(...all).outcome;

async function message(...all) {
  const { code, details, messages } = await called(...all);
  assert.deepEqual([code, messages.length], ["OK", 1], `${all[1]}: ${details}`);
  return messages[0];
}

function calling(sentence, check) {
  for (const format of ["binary", "text"]) {
    test(`${sentence} (${format})`, { timeout: 60_000 }, () => check(new GrpcWebClientBase({ format }), format));
  }
}

const failing = (failCode, failMessage, failDetails = false) => ({ failCode, failMessage, failDetails });

calling("a message comes back as it was sent", async (client) => {
  const item = { name: "näme 🦀", data: Uint8Array.from({ length: 256 }, (_, byte) => byte), tags: ["a", "", "b"] };
  for (const method of ECHOES) {
    // Each length ends its base64 in another way.
    for (const text of ["", "a", "ab", "abc", "x".repeat(100_000)]) {
      const reply = await message(client, method, { text, item });
      assert.equal(reply.text, text, method);
      assert.deepEqual([reply.item.name, reply.item.tags], [item.name, item.tags]);
      assert.deepEqual(Buffer.from(reply.item.data), Buffer.from(item.data));
    }
  }
});

calling("a handler knows its call", async (client) => {
  const known = await message(client, "describe", {}, { deadline: String(Date.now() + 30_000), "x-deep": "found" });
  assert.deepEqual([known.protocol, known.hasDeadline, known.hasPeer, known.deepMetadata], ["grpc_web", true, true, "found"]);
});

calling("a server stream arrives in order, or is empty", async (client) => {
  for (const method of COUNTS) {
    for (const to of [0, 1, 1000]) {
      const { code, messages } = await called(client, method, { to });
      assert.equal(code, "OK", method);
      assert.deepEqual(messages.map(({ number }) => number), Array.from({ length: to }, (_, i) => i + 1), method);
    }
  }
});

calling("metadata go both ways", async (client) => {
  const metadata = { "x-echo-a": "one, two ~!", "x-trail-a": "last" };
  for (const method of ["echo", "echoBlocking"]) {
    const { code, leading, trailing } = await called(client, method, { plan: { echoMetadata: true } }, metadata);
    assert.equal(code, "OK");
    assert.deepEqual([leading["x-echo-a"], leading["x-trail-a"]], ["one, two ~!", undefined], method);
    assert.equal(trailing["x-trail-a"], "last", method);
  }
});

calling("every code and message arrives, early and late", async (client) => {
  for (const [name, code] of Object.entries(StatusCode).filter(([, code]) => Number.isInteger(code) && code > 0)) {
    const outcome = await called(client, "echo", { plan: failing(code, "größer als 5 €") });
    assert.deepEqual([outcome.code, outcome.details], [name, "größer als 5 €"]);
  }
  for (const method of COUNTS) {
    for (const to of [0, 2]) {
      const outcome = await called(client, method, { to, plan: failing(15, "lost") });
      assert.deepEqual([outcome.code, outcome.details, outcome.messages.length], ["DATA_LOSS", "lost", to], method);
    }
  }
});

calling("details are typed messages", async (client) => {
  for (const method of ECHOES) {
    const { code, trailing } = await called(client, method, { plan: failing(9, "not so", true) });
    assert.equal(code, "FAILED_PRECONDITION");
    const bytes = Buffer.from(trailing["grpc-status-details-bin"], "base64");
    const status = protobuf.fromBinary(registry.getMessage("google.rpc.Status"), bytes);
    assert.equal(status.details[0].typeUrl, "type.googleapis.com/google.rpc.BadRequest", method);
  }
});

calling("a slow handler is cut off", async (client) => {
  for (const method of ECHOES) {
    const { code } = await called(client, method, { plan: { sleepMs: 1000 } }, { deadline: String(Date.now() + 300) });
    assert.equal(code, "DEADLINE_EXCEEDED", method);
  }
});

calling("a handler learns that its caller has left", async (client) => {
  const observing = { observe: (request) => message(client, "observe", request) };
  for (const [methods, to] of [[["echo", "echoBlocking"], {}], [COUNTS, { to: 1 }]]) {
    for (const method of methods) {
      const reason = await cancelReason(observing, async (awaitCancel, millis) => {
        const { call } = begin(client, method, { ...to, plan: { awaitCancel } });
        await sleep(millis);
        call.cancel();
      });
      assert.equal(reason, "ClientGone", method);
    }
  }
});

calling("a method that is not there is unimplemented", async (client) => {
  const descriptor = new MethodDescriptor("/parity.v1.Parity/Nothing", MethodType.UNARY, Object, Object, () => new Uint8Array(), () => {});
  const error = await client.unaryCall(`${BASE_URL}/parity.v1.Parity/Nothing`, {}, {}, descriptor).then(
    () => assert.fail("it is there"),
    (error) => error,
  );
  assert.equal(nameOf(error.code), "UNIMPLEMENTED");
});
