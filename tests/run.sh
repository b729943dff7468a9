#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing (Debian 12 or 13), configures, builds, and runs every test. The last line reads
# "N passed, N failed, N skipped"; the exit status is not 0 when anything failed. Another build
# directory or compiler: BUILD=build-clang CC=clang tests/run.sh. Arguments go to `meson test`.
set -eu
cd "$(dirname "$0")/.."
. jobs/install-deps.sh
assay_install $ASSAY_BUILD_PACKAGES $ASSAY_TEST_PACKAGES

build=${BUILD:-build}
[ -f "$build/build.ninja" ] || meson setup "$build" ${SETUP:-}
meson compile -C "$build"

code=0
meson test -C "$build" --no-rebuild --print-errorlogs "$@" </dev/null || code=$?
log=$build/meson-logs/testlog.json
/usr/bin/python3 tests/summary.py "$log" || code=1
exit "$code"
