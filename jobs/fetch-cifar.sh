#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fetches the binary files of CIFAR-10, CIFAR-100 or both, checks them, and unpacks them here, where the shipped
# configurations look for them:
#
#   jobs/fetch-cifar.sh                # CIFAR-10: ./cifar-10-batches-bin, 163 MiB
#   jobs/fetch-cifar.sh 10 100         # and CIFAR-100: ./cifar-100-binary, 161 MiB
#   CIFAR_URL=file:///mirror CIFAR_DIR=/data jobs/fetch-cifar.sh
#
# What is there already is left alone. An archive that a mirror has packed anew has another checksum, which
# CIFAR_SHA256 says.
set -eu
url=${CIFAR_URL:-https://www.cs.toronto.edu/~kriz}
directory=${CIFAR_DIR:-.}

# fetch URL FILE
fetch() {
    if command -v curl >/dev/null; then
        curl -fL --retry 3 -o "$2" "$1"
    elif command -v wget >/dev/null; then
        wget -O "$2" "$1"
    else
        echo "fetch-cifar: neither curl nor wget is here to fetch $1" >&2
        return 1
    fi
}

# unpack ARCHIVE SHA256 FOLDER
unpack() {
    if [ -d "$directory/$3" ]; then
        echo "$directory/$3 is there already"
        return
    fi
    # Unpacked beside its place, and moved there whole: a folder that stands is a good one.
    work=$(mktemp -d "$directory/.fetch-cifar-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' HUP INT TERM # not every sh cleans up at a signal otherwise
    fetch "$url/$1" "$work/$1"
    seen=$(sha256sum "$work/$1" | cut -d ' ' -f 1)
    if [ "$seen" != "$2" ]; then
        echo "fetch-cifar: $url/$1 has the SHA-256 $seen, expected $2" >&2
        exit 1
    fi
    tar -xzf "$work/$1" -C "$work" "$3"
    mv "$work/$3" "$directory/$3"
    rm -rf "$work"
    echo "$directory/$3"
}

[ $# -gt 0 ] || set -- 10
mkdir -p "$directory"
for classes; do
    case $classes in
    10) unpack cifar-10-binary.tar.gz \
        "${CIFAR_SHA256:-c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd}" cifar-10-batches-bin ;;
    100) unpack cifar-100-binary.tar.gz \
        "${CIFAR_SHA256:-58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec}" cifar-100-binary ;;
    *) echo "fetch-cifar: '$classes': expected 10 or 100" >&2 && exit 2 ;;
    esac
done
