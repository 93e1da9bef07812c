#!/usr/bin/env bash
# Clients and servers that are not ours, into a folder outside the checkout; tests find them by TANDEM_CLIENTS.
# usage: install.sh DIR. What cannot be installed is passed over: its tests are then skipped.
set -uo pipefail
dir=$1
mkdir -p "$dir"

python3 -m venv "$dir/venv" &&
  "$dir/venv/bin/pip" install -q "tritonclient[grpc,http]" schemathesis==4.32.5 prometheus_client ||
  echo "clients: no tritonclient, no schemathesis, no prometheus_client"

"$dir/venv/bin/pip" install -q pandas pyarrow duckdb altair requests ||
  echo "clients: no pandas, pyarrow, duckdb, altair or requests"

"$dir/venv/bin/pip" install -q mlserver || echo "clients: no MLServer"

"$dir/venv/bin/pip" install -q openai xllamacpp ||
  echo "clients: no openai or xllamacpp"

npm install --silent --no-fund --no-audit --prefix "$dir" @bufbuild/buf >/dev/null ||
  echo "clients: no buf"

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
perf || echo "clients: no perf_analyzer"
