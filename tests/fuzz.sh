#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# fuzz.sh CLANG SECONDS SOURCE-DIRECTORY BUILD-DIRECTORY
#
# Builds each tests/fuzz/fuzz_*.c with clang's libFuzzer, ASan and UBSan, and
# runs it for the given time from the seeds beside it.  New inputs go to the
# build directory; one that crashes is named and fails the run.

set -eu

clang=$1 seconds=$2 source=$3 build=$4
if [ -z "$clang" ]; then
	echo "clang is not installed: nothing fuzzed" >&2
	exit 1
fi
mkdir -p "$build"
failed=0
for file in "$source"/tests/fuzz/fuzz_*.c; do
	name=$(basename "$file" .c)
	seeds=$source/tests/fuzz/seeds/${name#fuzz_}
	mkdir -p "$build/corpus-$name"
	echo "== $name for $seconds s"
	"$clang" -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined -I"$source/common" \
		-I"$source/strongswan-plugin" "$file" "$source"/common/*.c \
		"$source/strongswan-plugin/groupvpn_policy_json.c" \
		-lcrypto -ljson-c -o "$build/$name"
	"$build/$name" -max_total_time="$seconds" -print_final_stats=1 \
		-verbosity=1 -artifact_prefix="$build/$name-" \
		-dict="$source/tests/fuzz/groupvpn.dict" \
		"$build/corpus-$name" $([ -d "$seeds" ] && echo "$seeds") ||
		failed=$((failed + 1))
done
echo "fuzzers: $failed failed"
[ "$failed" -eq 0 ]
