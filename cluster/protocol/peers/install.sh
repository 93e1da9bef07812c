#!/usr/bin/env bash
# Clients and servers that are not ours, into a folder outside the checkout; tests find them by TANDEM_CLIENTS.
# usage: install.sh DIR [tritonclient]. With a name, that client alone. What cannot be installed is passed over: its
# tests are then skipped. A folder where all of it is has nothing installed again.
set -uo pipefail
dir=$1
only=${2:-}
stamp=$dir/installed-${only:-all}
wanted=$(sha256sum "$0")
[ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && exit
mkdir -p "$dir"
missing=0

# python NAMES PACKAGE…
python() {
  local names=$1
  shift
  "$dir/venv/bin/pip" install -q "$@" || { echo "clients: no $names"; missing=1; }
}

[ -x "$dir/venv/bin/pip" ] || python3 -m venv "$dir/venv"
python "tritonclient" "tritonclient[grpc,http]"

# perf_analyzer: the last one that runs with the C library of Debian 12 came with tritonclient, and
# wants two libraries more.
perf() {
  [ -x "$dir/bin/perf_analyzer" ] && return
  "$dir/venv/bin/pip" install -q --target "$dir/perf" --no-deps \
    tritonclient==2.41.1 nvidia-cuda-runtime-cu12 || return
  if ! ldconfig -p | grep -q libb64.so.0d && [ "$(id -u)" = 0 ]; then
    apt-get install -y -qq libb64-0d >/dev/null
  fi
  mkdir -p "$dir/bin"
  printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' \
    "$dir/perf/nvidia/cuda_runtime/lib" "$dir/perf/bin/perf_analyzer" >"$dir/bin/perf_analyzer"
  chmod +x "$dir/bin/perf_analyzer"
}

if [ -z "$only" ]; then
  python "schemathesis or prometheus_client" schemathesis==4.32.5 prometheus_client
  python "pandas, pyarrow, duckdb, altair or requests" pandas pyarrow duckdb altair requests
  python "MLServer" mlserver
  python "openai or xllamacpp" openai xllamacpp
  npm install --silent --no-fund --no-audit --prefix "$dir" @bufbuild/buf >/dev/null ||
    { echo "clients: no buf"; missing=1; }
  perf || { echo "clients: no perf_analyzer"; missing=1; }
fi
[ "$missing" = 1 ] || echo "$wanted" >"$stamp"
