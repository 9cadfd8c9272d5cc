#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# unit.sh COUNTS PROGRAM...
#
# Runs cmocka programs one after the other, shows what they print, and appends
# "passed failed skipped", counted over their single tests, to COUNTS.

counts=$1
shift
passed=0 failed=0 skipped=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

count() {
	grep -c "^\[  *$1 \]" "$output"
}

for program; do
	echo "== $program"
	"./$program" >"$output" 2>&1
	status=$?
	cat "$output"
	passed=$((passed + $(count OK)))
	skipped=$((skipped + $(count SKIPPED)))
	# cmocka repeats each failed test in its summary.
	bad=$(grep '^\[  *FAILED *\] [a-z]' "$output" | sort -u | wc -l)
	# A crash is a failure that nobody printed.
	if [ $status -ne 0 ] && [ "$bad" -eq 0 ]; then
		echo "$program ended with status $status"
		bad=1
	fi
	failed=$((failed + bad))
done

echo "unit tests: $passed passed, $failed failed, $skipped skipped"
echo "$passed $failed $skipped" >>"$counts"
[ $failed -eq 0 ]
