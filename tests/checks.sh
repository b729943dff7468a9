#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The slower gates: no warning from gcc or clang, and the tests under the address and undefined-behaviour sanitizers (of
# those that start MPI jobs one, or all with `tests/checks.sh all`, which adds the fuzzers, a few inputs each, and Valgrind).
# Tests that compute statistics of tables, evaluate full-size references, compare searches or go through all spaces or verbs
# are left out there.
# Names each gate with its verdict; not 0 when one failed.
set -u
cd "$(dirname "$0")/.."
. jobs/install-deps.sh
assay_install $ASSAY_BUILD_PACKAGES $ASSAY_TEST_PACKAGES $ASSAY_CHECK_PACKAGES || exit 1
failed=0
gcc=${GCC_BUILD:-build-gcc}
mpi_tests=mpi_onnx
[ "${1:-}" != all ] || { mpi_tests="--suite mpi" && assay_install valgrind; } || exit 1

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
    { [ -f "$directory/build.ninja" ] || CC=$compiler meson setup "$directory" "$@"; } &&
        meson compile -C "$directory"
}

# sanitized LEAKS SUITE...: MPI's unloaded plug-ins make leak reports useless where it is started.
sanitized() {
    leaks=$1
    shift
    ASAN_OPTIONS=detect_leaks=$leaks LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0 \
        UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        meson test -C build-sanitize --no-rebuild --print-errorlogs -t 5 "$@" </dev/null
}

# gcc's own warnings are wrong under sanitizers; the builds above have looked.
sanitized_tests() {
    build build-sanitize gcc -Db_sanitize=address,undefined -Db_lundef=false -Dwarning_level=0 &&
        sanitized 1 --suite unit && sanitized 0 --suite cli --suite golden --no-suite statistics && sanitized 0 $mpi_tests
}

# Takes minutes: with `all` only.
valgrind_tests() {
    meson test -C "$gcc" --no-rebuild --print-errorlogs -t 20 --suite unit \
        --wrap "valgrind -q --error-exitcode=9 --leak-check=full" </dev/null
}

gate "gcc without warnings" build "$gcc" gcc -Dwerror=true
# clang warns of the same whether it optimises or not, and takes minutes longer when it does.
gate "clang without warnings" build build-clang clang -Dwerror=true -Doptimization=0
gate "sanitizers" sanitized_tests
gate "reports in a browser" meson test -C "$gcc" --no-rebuild --print-errorlogs --suite browser
[ "${1:-}" != all ] || gate "fuzzers" meson test -C build-clang --print-errorlogs --suite fuzz
[ "${1:-}" != all ] || gate "valgrind" valgrind_tests
exit "$failed"
