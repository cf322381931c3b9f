#!/usr/bin/env bash
# Resolves the two locked environments: what `make demo` runs in, and the same with what the tests need.
set -euo pipefail
cd "$(dirname "$0")/.."
compile=(uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml)
extras=(--extra demo --extra plot --extra metrics --extra preview --extra backup)
"${compile[@]}" "${extras[@]}" --group build --output-file deploy/requirements.txt "$@"
"${compile[@]}" "${extras[@]}" --extra pi --group build --group test --constraint deploy/requirements.txt \
  --output-file tests/requirements.txt "$@"
