#!/bin/bash
# Every test, one line each, and a closing line "N passed, N failed, N skipped": check.sh BUILD-DIR
set -u
build=$1
passed=0 failed=0 skipped=0

# Runs one step that is a test of its own.
step() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		echo "ok $name"
		passed=$((passed + 1))
	else
		echo "not ok $name"
		printf '%s\n' "$out" | tail -30
		failed=$((failed + 1))
	fi
}

# Runs a program that prints a line per test and closes with "N passed, N failed[, N skipped]".
suite() {
	local name=$1 last count
	shift
	echo "== $name"
	"$@" 2>&1 | tee "$build/suite.out"
	local rc=${PIPESTATUS[0]}
	last=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$build/suite.out" | tail -1)
	if [ -z "$last" ]; then
		echo "not ok $name: it ended without a count (exit $rc)"
		failed=$((failed + 1))
		return
	fi
	read -ra count <<<"${last//[a-z,]/}"
	passed=$((passed + count[0])) failed=$((failed + count[1])) skipped=$((skipped + ${count[2]:-0}))
	if [ "$rc" -ne 0 ] && [ "${count[1]}" -eq 0 ]; then
		echo "not ok $name: exit $rc although nothing failed"
		failed=$((failed + 1))
	fi
}

step "floors: no include climbs a floor" tests/floors.sh
step "floors: the check can fail" tests/floors.sh --self-test
for page in man/*; do
	step "man page: ${page#man/}" sh -c "cd man && ! mandoc -T lint -W warning '${page#man/}' 2>&1 | grep -vE 'referenced manual not found|mdoc.db'"
done
for test in "$build"/asan/unit/test_*; do
	case $test in *.d) continue ;; esac
	suite "${test##*/}" "$test"
done
for replay in "$build"/asan/replay/fuzz_*; do
	name=${replay##*/fuzz_}
	[ -d "tests/corpus/$name" ] || continue
	step "corpus: $name" "$replay" "tests/corpus/$name"/*
done
suite system env XPROXY_BUILD="$build" tests/system/run.py
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
