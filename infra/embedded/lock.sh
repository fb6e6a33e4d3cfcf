#!/usr/bin/env bash
# Writes the locks from their short inputs: exact versions and hashes, for Linux and Python 3.11 and 3.12.
set -euo pipefail
cd "$(dirname "$0")/../.."
export UV_CUSTOM_COMPILE_COMMAND='make lock'
lock() { .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes "$@"; }
lock requirements.in -o requirements.txt
lock requirements-noroot.in -c requirements.txt -o requirements-noroot.txt
lock requirements-tools.in -o requirements-tools.txt
# Parts of requirements.txt, in its versions, for the images.
for image in airflow spark storefront training; do
    lock infra/images/requirements-$image.in -c requirements.txt -o infra/images/requirements-$image.txt
done
lock infra/embedded/bootstrap.in -o infra/embedded/bootstrap.txt
echo "locked: $(grep -c '==' requirements.txt) packages"
