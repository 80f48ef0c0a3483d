// grpc-js as the tests call it: clients made from the server's own descriptors, and calls as promises.

import { test } from "node:test";

import { grpc, protobuf } from "./packages.mjs";
import { registry } from "./registry.mjs";

export const { status: Code } = grpc;
export const ADDRESS = process.env.PARITY_ADDRESS;

function definition(service) {
  const methods = service.methods.map((method) => [
    method.localName,
    {
      path: `/${service.typeName}/${method.name}`,
      requestStream: ["client_streaming", "bidi_streaming"].includes(method.methodKind),
      responseStream: ["server_streaming", "bidi_streaming"].includes(method.methodKind),
      requestSerialize: (message) => Buffer.from(protobuf.toBinary(method.input, protobuf.create(method.input, message))),
      requestDeserialize: (bytes) => protobuf.fromBinary(method.input, bytes),
      responseSerialize: (message) => Buffer.from(protobuf.toBinary(method.output, message)),
      responseDeserialize: (bytes) => protobuf.fromBinary(method.output, bytes),
    },
  ]);
  return grpc.makeGenericClientConstructor(Object.fromEntries(methods), service.typeName);
}

const Parity = definition(registry.getService("parity.v1.Parity"));

// A test with a client, on a connection of its own; what more it needs of options is given to `client`.
export function calling(sentence, check) {
  test(sentence, { timeout: 60_000 }, async (t) => {
    const client = (options = {}, address = ADDRESS) => {
      const made = new Parity(address, grpc.credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1, ...options });
      t.after(() => made.close());
      return made;
    };
    await check({ parity: client(), client, t });
  });
}

// How a call ended: its messages, both metadata, and its status. Nothing is thrown.
function ended(call, reply) {
  const outcome = { messages: [], leading: undefined };
  call.on("metadata", (metadata) => (outcome.leading = metadata));
  return new Promise((resolve) => {
    call.on("data", (message) => outcome.messages.push(message));
    call.on("error", () => {});
    call.on("status", async (status) => {
      await reply;
      resolve({ ...outcome, code: Code[status.code], details: status.details, trailing: status.metadata });
    });
  });
}

// Begins a call of any kind; `requests` is one message, or for a client's stream a list of them, which then ends.
export function begin(parity, method, requests, { metadata = new grpc.Metadata(), ...options } = {}) {
  const { requestStream, responseStream } = parity[method];
  const parts = [metadata, options];
  let answer;
  const reply = responseStream
    ? Promise.resolve()
    : new Promise((resolve) => (answer = (_, message) => resolve(message)));
  const call = parity[method](...(requestStream ? [] : [requests]), ...parts, ...(responseStream ? [] : [answer]));
  const outcome = ended(call, reply).then(async (outcome) => {
    const message = await reply;
    return message === undefined ? outcome : { ...outcome, messages: [message] };
  });
  if (requestStream && Array.isArray(requests)) {
    requests.forEach((request) => call.write(request));
    call.end();
  }
  return { call, outcome };
}

export const called = (...all) => begin(...all).outcome;

// The messages of a call that must go well.
export async function messages(...all) {
  const outcome = await called(...all);
  if (outcome.code !== "OK") throw new Error(`${all[1]}: ${outcome.code}: ${outcome.details}`);
  return outcome.messages;
}

export async function message(...all) {
  const [first, ...others] = await messages(...all);
  if (first === undefined || others.length > 0) throw new Error(`${all[1]} has not one message`);
  return first;
}

export function metadata(...entries) {
  const made = new grpc.Metadata();
  for (const [name, value] of entries) made.add(name, value);
  return made;
}

export const numbers = (...values) => values.map((value) => ({ number: BigInt(value) }));
