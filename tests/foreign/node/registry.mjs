// The schema of the tests' services, as the server itself describes it: no code is generated.

import { readFileSync } from "node:fs";

import { protobuf, wellKnown } from "./packages.mjs";

// Each argument is a file with a set of descriptors.
const registries = process.argv.slice(2).map((path) => {
  const set = protobuf.fromBinary(wellKnown.FileDescriptorSetSchema, readFileSync(path));
  return protobuf.createFileRegistry(set);
});

export const registry = protobuf.createRegistry(...registries);
