#!/bin/bash
# Branch coverage of the parsers: runs the unit tests built with MODE=cov and prints for each source file of
# wire/, relay/ and broker/ how many of its branches were taken, then the total of each. coverage.sh BUILD-DIR
# What gcov has to say line by line is left in BUILD-DIR/cov/lines/*.gcov.
set -u
build=$1/cov
[ -d "$build/unit" ] || {
	echo "$build/unit is missing: build it with make MODE=cov units" >&2
	exit 1
}
build=$(cd "$build" && pwd)
failed=0
mkdir -p "$build/lines" # where gcov finds the sources under the names they were compiled by
ln -sfn "$PWD"/{base,wire,auth,session,relay,broker} "$build/lines/"

find "$build" -name '*.gcda' -delete
for test in "$build"/unit/test_*; do
	[ -x "$test" ] || continue
	"$test" >"$build/unit.out" 2>&1 || {
		echo "not ok ${test##*/}"
		grep -v '^ok ' "$build/unit.out" | tail -5
		failed=1
	}
done

# gcov prints, for each file: File 'PATH', Branches executed:% of N, Taken at least once:% of N.
report() {
	local dir=$1 source gcno
	for source in "$dir"/*.c; do
		gcno=$build/${source%.c}.gcno
		if [ -f "${gcno%.gcno}.gcda" ]; then
			(cd "$build/lines" && gcov -b -c -o "$gcno" "$source" 2>/dev/null) |
				awk -v source="$source" '
				/^File / { here = index($0, source "\047") > 0 }
				here && /^Taken at least once:/ {
					split($0, part, /[:% ]+/); print source, part[5], part[7]
				}'
		else
			echo "$source 0 0"
		fi
	done
}

for dir in wire relay broker; do
	report "$dir" | awk -v dir="$dir" '
		$3 { printf "%-24s %6.2f %% of %4d branches\n", $1, $2, $3; taken += $2 * $3; all += $3 }
		!$3 { printf "%-24s not run, or no branches\n", $1 }
		END { if (all) printf "%-24s %6.2f %% of %4d branches\n", "total of " dir "/", taken / all, all }'
done
exit "$failed"
