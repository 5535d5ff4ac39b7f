#!/bin/bash
# Every test, one line each, and a closing line "N passed, N failed, N skipped": check.sh BUILD-DIR
set -u
build=$1
passed=0 failed=0 skipped=0
declare -A pid
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
mkfifo "$out/turns"
exec 3<>"$out/turns"
for _ in $(seq $(($(nproc) + 2))); do echo >&3; done

# Runs a command when it is its turn: more than there are processors, as many wait for something. start NAME COMMAND...
start() {
	local name=$1
	shift
	{
		read -r -u 3
		timeout -k 5 300 "$@" >"$out/$name" 2>&1 3>&-
		rc=$?
		echo >&3
		exit "$rc"
	} &
	pid[$name]=$!
}

# Reports one that is a test of its own.
step() {
	if wait "${pid[$1]}"; then
		echo "ok $1"
		passed=$((passed + 1))
	else
		echo "not ok $1"
		tail -30 "$out/$1"
		failed=$((failed + 1))
	fi
}

# Reports one that prints a line per test and closes with "N passed, N failed[, N skipped]".
suite() {
	local rc
	echo "== $1"
	wait "${pid[$1]}"
	rc=$?
	cat "$out/$1"
	count "$1" "$rc"
}

# Adds what a suite has said.
count() {
	local name=$1 rc=$2 last count
	last=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$out/$name" | tail -1)
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

steps=("floors: no include climbs a floor" "floors: the check can fail")
start "${steps[0]}" tests/floors.sh
start "${steps[1]}" tests/floors.sh --self-test
for page in man/*; do
	steps+=("man page: ${page#man/}")
	start "${steps[-1]}" sh -c "cd man && ! mandoc -T lint -W warning '${page#man/}' 2>&1 | grep -vE 'referenced manual not found|mdoc.db'"
done
units=()
for test in "$build"/asan/unit/test_*; do
	case $test in *.d | */test_timing) continue ;; esac
	units+=("${test##*/}")
	start "${test##*/}" "$test"
done
corpora=()
for replay in "$build"/asan/replay/fuzz_*; do
	name=${replay##*/fuzz_}
	corpora+=("corpus: $name")
	start "corpus: $name" "$replay" "tests/corpus/$name"/*
done

for name in "${steps[@]}"; do step "$name"; done
for name in "${units[@]}"; do suite "$name"; done
for name in "${corpora[@]}"; do step "$name"; done
# By itself, as it measures time.
start test_timing "$build/asan/unit/test_timing"
suite test_timing
echo "== system"
XPROXY_BUILD="$build" tests/system/run.py 2>&1 | tee "$out/system"
count system "${PIPESTATUS[0]}"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
