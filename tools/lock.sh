#!/usr/bin/env bash
# Pins every dependency with its hashes: all of them, and the parts that a gate or a server installs.
# No index is named in the files, so that any mirror serves.
set -euo pipefail
cd "$(dirname "$0")/.."
options=(--universal --python-version 3.11 --generate-hashes --no-emit-index-url
  --no-emit-find-links --no-header --quiet)
uv pip compile pyproject.toml --extra dev "${options[@]}" -o requirements/lock.txt "$@"
for part in gate server; do
  uv pip compile pyproject.toml --extra $part -c requirements/lock.txt "${options[@]}" \
    -o requirements/$part.txt
done
uv pip compile requirements/node.in "${options[@]}" -o requirements/node.txt "$@"
