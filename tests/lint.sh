#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lint.sh [STEP...] - what the machine can say about the sources without running them (`make lint`).
# Steps: floors format gcc clang analyzer tidy cppcheck accepted shell man units python. Each finding is a line
# "FILE:LINE: ... [CHECK]"; any finding fails. Findings that were looked at and are wrong, or fine, are in
# tests/lint-accepted:
#
#   CHECK @ FILE @ the source line, blanks trimmed @ why it is accepted
set -u
cd "$(dirname "$0")/.." || exit 1

accepted=tests/lint-accepted
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=()

mapfile -t ours < <(find . \( -name build -o -name build-asan -o -name '.?*' -o -path ./tests \) -prune -o -name '*.c' -print |
	sed 's,^\./,,' | LC_ALL=C sort)
mapfile -t all < <(find . \( -name build -o -name build-asan -o -name '.?*' \) -prune -o -name '*.[ch]' -print |
	sed 's,^\./,,' | LC_ALL=C sort)
mapfile -t sources < <(printf '%s\n' "${all[@]}" | grep '\.c$')

# The Makefile's own flags, quoted for a shell there.
defs=() warn=()
flags() {
	make -s --no-print-directory -f Makefile -f - lint-flags <<<"lint-flags: ; \$(info -std=gnu17 $1)@:"
}
eval "defs=($(flags "\$(DEFS)"))"
eval "warn=($(flags "\$(DEFS) \$(WARN)"))"

# Runs a command for each file, some at once, output in the order of the list; {} is the file:
# each COMMAND... ::: FILE...
each() {
	local command=() n=0 file
	while [ "$1" != ::: ]; do
		command+=("$1")
		shift
	done
	shift
	rm -rf "$scratch/each"
	mkdir "$scratch/each"
	for file; do
		n=$((n + 1))
		{
			"${command[@]//\{\}/$file}" ||
				echo "$file:1: error: ${command[0]} ended with $? [exit]"
		} >"$scratch/each/$(printf %04d "$n")" 2>&1 &
		while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
	done
	wait
	cat "$scratch"/each/*
}

# From compilers' output, the findings that are not accepted, each once.
findings() {
	sed "s#$PWD/##; s#^\./##" | grep -E '(error|warning|style|performance|portability): ' |
		awk '!seen[$0]++' | awk -v accepted="$accepted" '
		function trim(s) { gsub(/^[ \t]+|[ \t]+$/, "", s); return s }
		BEGIN {
			while ((getline line < accepted) > 0) {
				if (line ~ /^#|^$/ || split(line, f, / @ /) != 4)
					continue
				known[trim(f[1]) "|" trim(f[2]) "|" trim(f[3])] = 1
			}
		}
		{
			split($0, at, ":")
			check = match($0, /\[[^][]*\]$/) ? substr($0, RSTART + 1, RLENGTH - 2) : ""
			text = ""
			for (n = 0; n < at[2] && (getline line < at[1]) > 0; n++) text = line
			close(at[1])
			n = split(check, checks, ",")
			for (i = 1; i <= n; i++)
				if ((checks[i] "|" at[1] "|" trim(text)) in known) next
			print
		}'
}

# ---- the steps -----------------------------------------------------------------------------

step_floors() {
	tests/floors.sh
	tests/floors.sh --self-test | grep -v 'every violation'
}

step_format() {
	clang-format --dry-run -Werror "${all[@]}" 2>&1 | grep -E ': (error|warning): '
}

step_gcc() {
	each gcc "${warn[@]}" -O2 -c -o /dev/null {} ::: "${sources[@]}" | findings
}

# Another compiler's warnings, and what it takes to build with it.
step_clang() {
	each clang "${warn[@]}" -O2 -c -o /dev/null {} ::: "${sources[@]}" | findings
}

# gcc 12's analyzer follows calls within a file only and takes errno for any number, so a function that
# "may return -errno" may succeed without a result to it: -Wanalyzer-use-of-uninitialized-value is off,
# clang-tidy looks for the same. The others are reliable for C: leaks, double close, NULL, use after free.
step_analyzer() {
	each gcc "${defs[@]}" -O2 -fanalyzer -Wno-analyzer-use-of-uninitialized-value -c -o /dev/null {} ::: \
		"${ours[@]}" | findings
}

# One process per file: several files in one share the state of some checks.
step_tidy() {
	each clang-tidy --quiet {} -- "${defs[@]}" ::: "${ours[@]}" | findings
}

# Off: variableScope, as declarations are at the head of a block; varFuncNullUB, as glibc's NULL is a pointer;
# constParameter and constVariable, as a callback's type decides; memleak, as cppcheck does not know
# __attribute__((cleanup)).
step_cppcheck() {
	cppcheck --quiet --std=c11 --enable=warning,style,performance,portability --inline-suppr \
		--suppress=variableScope --suppress=varFuncNullUB --suppress=constParameter \
		--suppress=constVariable --suppress=memleak --suppress='*:/usr/include/*' -j "$(nproc)" \
		"${defs[@]:1}" --template='{file}:{line}: {severity}: {message} [{id}]' "${ours[@]}" 2>&1 | findings
}

# What is accepted but no longer there.
step_accepted() {
	awk -F ' @ ' -v list="$accepted" '
		/^#|^$/ { next }
		NF != 4 { print list ":" FNR ": not four parts with \" @ \" between"; next }
		{
			found = 0
			while ((getline line < $2) > 0) {
				gsub(/^[ \t]+|[ \t]+$/, "", line)
				found = found || line == $3
			}
			close($2)
			if (!found) print list ":" FNR ": no such line in " $2 ": " $3
		}' "$accepted"
}

step_shell() {
	local scripts
	mapfile -t scripts < <(find . \( -name build -o -name build-asan -o -name .git \) -prune -o -type f -print |
		while read -r file; do
			case $file in *.sh) echo "$file" ;; *) head -c 64 "$file" | grep -aqE '^#!/bin/(ba)?sh' && echo "$file" ;; esac
		done)
	shellcheck --format=gcc "${scripts[@]}"
}

# The pages refer to each other before they are installed.
step_man() {
	mandoc -T lint -W warning man/*.[1-9] 2>&1 | grep -vE 'referenced manual not found|mdoc\.db'
}

# What systemd says of the units, with the program that was built; and that the exposure of the services, as it
# counts it, is at most 2.6.
step_units() {
	local unit
	mkdir -p "$scratch/units/user"
	make -s build/units/xproxy-x2go@.service build/units/xproxy-x2go-ssh@.service
	for unit in units/*.[st]* units/user/*.s* build/units/*; do
		sed "s,/usr/libexec/xproxy-,$PWD/build/xproxy-," "$unit" >"$scratch/${unit#build/}"
	done
	systemd-analyze verify --man=no "$scratch"/units/*.[st]* 2>&1 | grep xproxy
	XDG_RUNTIME_DIR=$scratch systemd-analyze --user verify --man=no "$scratch"/units/user/*.s* 2>&1 | grep xproxy
	for unit in xproxy xproxy-x2go xproxy-x2go-ssh; do
		systemd-analyze security --offline=yes --threshold=26 --no-pager "$scratch/units/$unit@.service" >"$scratch/security" 2>&1 ||
			grep 'exposure level' "$scratch/security"
	done
}

step_python() {
	find tests -name '*.py' -exec env PYTHONPYCACHEPREFIX="$scratch" /usr/bin/python3 -W error -m compileall -q {} + 2>&1
}

for tool in gcc clang clang-format clang-tidy cppcheck shellcheck mandoc systemd-analyze; do
	command -v "$tool" >/dev/null || { echo "lint.sh: $tool is missing; tests/deps.sh lint" >&2; exit 2; }
done
[ -e build/filters.h ] && [ -e build/xproxy-conn ] || make -s all || exit 1

steps=("$@")
[ $# -gt 0 ] || steps=(floors format gcc clang analyzer tidy cppcheck accepted shell man units python)
for step in "${steps[@]}"; do
	declare -F "step_$step" >/dev/null || { echo "lint.sh: there is no step '$step'" >&2; exit 2; }
	found=$("step_$step")
	if [ -n "$found" ]; then
		echo "not ok $step: $(wc -l <<<"$found") findings"
		printf '%s\n' "$found"
		failed+=("$step")
	else
		echo "ok $step"
	fi
done
[ ${#failed[@]} -eq 0 ] || { echo "lint: ${failed[*]}" && exit 1; }
