#!/usr/bin/env bash
# release_notes.sh VERSION [DIR]: that version's part of CHANGELOG.md, then the image digests in DIR's files, one a line.
# Fails where CHANGELOG.md has nothing under that version.
set -euo pipefail
version=$1 digests=${2:-}
changelog=${CHANGELOG:-$(dirname "${BASH_SOURCE[0]}")/../../CHANGELOG.md}

notes=$(awk -v version="$version" '
    /^## / { inside = ($2 == version || $2 == "[" version "]"); next }
    inside { print }
' "$changelog")
if [ -z "${notes//[$' \n\t']/}" ]; then
    printf 'CHANGELOG.md has nothing under "## %s"; rename "## Unreleased" before you tag\n' "$version" >&2
    exit 65
fi
printf '%s\n' "$notes"
if [ -n "$digests" ]; then
    printf '\n### Images\n\n'
    cat "$digests"/* | sort | sed 's/^/* `/; s/$/`/'
fi
