// The packages from npm, out of the folder that install.sh keeps them in: not among the sources, where an
// import by name would look.

import { createRequire } from "node:module";

const require = createRequire(new URL("../../../target/foreign/node/", import.meta.url));

export const connect = require("@connectrpc/connect");
export const connectNode = require("@connectrpc/connect-node");
export const connectWeb = require("@connectrpc/connect-web");
export const protobuf = require("@bufbuild/protobuf");
export const wellKnown = require("@bufbuild/protobuf/wkt");
export const grpc = require("@grpc/grpc-js");
export const grpcWeb = require("grpc-web");
export const xhr2 = require("xhr2");
