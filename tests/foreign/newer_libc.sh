#!/usr/bin/env bash
# Starts a program that was linked against a newer C library than the system's.
#
# The conformance runner comes from npm as a binary that wants glibc 2.38. Where the system has that, or a newer
# one, the program is started as it is; elsewhere the libraries of the next Debian release are unpacked beside the
# clients, and the program is started through their loader. Nothing of the system is changed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
libraries=$here/../../target/foreign/libc
wanted=2.38

system_is_new_enough() {
  local version
  version=$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)
  printf '%s\n' "$wanted" "$version" | sort --version-sort --check=quiet
}

unpack_libraries() {
  command -v apt-get >/dev/null || {
    echo "newer_libc.sh: this system's glibc is older than $wanted, and only Debian's can be fetched" >&2
    exit 1
  }
  # The archive that this machine already uses, asked for its next release, with package lists of its own.
  local archive
  archive=$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' |
    awk '$2 == "Debian" { print $1; exit }')
  [ -n "$archive" ] || {
    echo "newer_libc.sh: no Debian archive is configured to fetch glibc $wanted from" >&2
    exit 1
  }
  rm -rf "$libraries"
  mkdir -p "$libraries/apt/lists/partial" "$libraries/apt/cache/archives/partial"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive trixie main" \
    >"$libraries/apt/sources.list"
  local apt=(apt-get --quiet --quiet
    -o "Dir::Etc::sourcelist=$libraries/apt/sources.list" -o Dir::Etc::sourceparts=-
    -o "Dir::State::lists=$libraries/apt/lists" -o "Dir::Cache=$libraries/apt/cache"
    -o APT::Sandbox::User=root -o Acquire::Languages=none)
  (
    cd "$libraries/apt"
    "${apt[@]}" update
    "${apt[@]}" download libc6 libstdc++6 libgcc-s1
    for package in *.deb; do
      dpkg-deb --extract "$package" "$libraries/root"
    done
  )
  rm -rf "$libraries/apt"
}

# Its name and its folder are the processor's: ld-linux-aarch64.so.1, ld-linux-x86-64.so.2.
loader() {
  find "$libraries/root" -type f -name 'ld-linux-*.so.*' -print -quit 2>/dev/null || true
}

if ! system_is_new_enough && [ -z "$(loader)" ]; then
  unpack_libraries
fi
# Without arguments the libraries are only made ready.
[ $# -gt 0 ] || exit 0
if system_is_new_enough; then
  exec "$@"
fi
loader=$(loader)
exec "$loader" --library-path "$(dirname "$loader")" "$@"
