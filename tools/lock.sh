#!/usr/bin/env bash
# Write requirements/*.txt anew from pyproject.toml: newest versions that fit, every file by its hash, no address.
# `make lock` calls it. Where packages come from is pip's business on each machine, so the locks don't say it.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
if ! "$uv" --version >/dev/null 2>&1; then
    echo "installing uv, which resolves the locks …"
    .venv/bin/python -m pip --disable-pip-version-check install --quiet uv
fi
compile() { # compile NAME OPTION…
    local name=$1 target=requirements/$1.txt
    shift
    echo "locking $target …"
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --custom-compile-command "make lock" "$@" pyproject.toml --output-file "$target"
}
mkdir -p requirements
compile run --group build
compile dev --group build --group dev --constraints requirements/run.txt
compile setup --group build --extra setup --constraints requirements/run.txt
if grep -n '://' requirements/*.txt; then
    echo "error: a lock names an address; locks hold names, versions and hashes only" >&2
    exit 1
fi
