#!/usr/bin/env bash
# Debian's chromium for the tests of the showroom's page, where packages may be installed; elsewhere those tests are
# skipped. SYSTEM_PARTS=pip installs nothing, as for the set-up.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null && "$name" --version >/dev/null 2>&1; then exit 0; fi
done
if [ "${SYSTEM_PARTS:-auto}" = pip ] || ! command -v apt-get >/dev/null; then exit 0; fi
as_root=()
if [ "$(id -u)" != 0 ]; then
    as_root=(sudo -n)
    sudo -n true 2>/dev/null || exit 0
fi
echo "setup: no browser for the tests of the showroom's page: installing Debian's chromium"
{ "${as_root[@]}" apt-get -y -q update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q install --no-install-recommends chromium; } \
    >>var/setup.log 2>&1 || echo "setup: that failed, see var/setup.log; the tests in a browser are skipped"
