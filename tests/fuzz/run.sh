#!/bin/sh
# Runs every libFuzzer target for SECONDS, from and into tests/corpus/TARGET. A crash is kept there as
# crash-*, to become a test: run.sh BUILD-FUZZ-DIR SECONDS
set -eu
dir=$1 seconds=$2
failed=0
for fuzzer in "$dir"/fuzz_*; do
	[ -x "$fuzzer" ] || continue
	name=${fuzzer##*/fuzz_}
	corpus=tests/corpus/$name
	work=$dir/corpus-$name
	mkdir -p "$corpus" "$work"
	echo "== $name: $seconds s"
	"$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$corpus/crash-" "$work" "$corpus" >"$dir/$name.log" 2>&1 || {
		failed=$((failed + 1))
		tail -40 "$dir/$name.log"
	}
	rmdir --ignore-fail-on-non-empty "$corpus" # make check replays what is there
	grep -E 'stat::(number_of_executed_units|peak_rss_mb)' "$dir/$name.log" || true
done
exit $((failed > 0))
