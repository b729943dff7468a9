#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The slower gates: no warning from gcc or clang, and the unit tests under the address and
# undefined-behaviour sanitizers. Names each gate with its verdict; not 0 when one failed.
set -u
cd "$(dirname "$0")/.."
. jobs/install-deps.sh
assay_install $ASSAY_BUILD_PACKAGES $ASSAY_TEST_PACKAGES $ASSAY_CHECK_PACKAGES || exit 1
failed=0

# gate NAME COMMAND...
gate() {
    name=$1
    shift
    if "$@"; then verdict=ok; else verdict=FAILED failed=1; fi
    echo "== $name: $verdict"
}

# build DIRECTORY COMPILER OPTION...
build() {
    directory=$1 compiler=$2
    shift 2
    { [ -f "$directory/build.ninja" ] || CC=$compiler meson setup "$directory" "$@" >"$directory.log"; } &&
        meson compile -C "$directory"
}

# Leaks inside MPI and BLAS libraries are not ours; unit tests start no MPI.
sanitized_tests() {
    build build-sanitize gcc -Db_sanitize=address,undefined -Db_lundef=false &&
        ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 \
            UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
            meson test -C build-sanitize --no-rebuild --print-errorlogs --suite unit -t 5 </dev/null
}

gate "gcc without warnings" build build-gcc gcc -Dwerror=true
gate "clang without warnings" build build-clang clang -Dwerror=true
gate "sanitizers" sanitized_tests
exit "$failed"
