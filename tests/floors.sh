#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# floors.sh [TREE]      fails when an #include climbs a floor or enters a room that it may not, when a
#                       file or a function has become too long, and says where.
# floors.sh --self-test shows that it does: feeds it a tree with one violation of each kind.
#
# The rooms, and why: README.md. A room is a folder; whatever is not listed here may not be entered.
set -eu

file_max=450     # lines of a source
function_max=60  # lines between the braces
main_max=80      # lines of xproxy-conn.c, whose main() is the table of contents

# Reads "FILE<TAB>LINE<TAB>TEXT", prints what is wrong with each #include.
check_includes() {
	awk -F '\t' '
	BEGIN {
		# floor 1, 2, 3, 4. The worker reads the network (relay, encode), the guard has the
		# privilege (auth, which uses session): the two sides only share messages, base/rpc.h.
		may["base"]    = "base"
		may["wire"]    = "wire"                    # pure functions; and base/macros.h, below
		may["relay"]   = "base wire relay"
		may["encode"]  = "base wire encode"
		may["session"] = "base wire session"
		may["auth"]    = "base wire session auth"
		may["broker"]  = "base wire broker"
		may["tools"]   = "base"
		may["ctl"]     = "base wire encode session auth broker ctl" # what xproxyctl alone runs
		may["(main)"]  = "base wire relay encode session auth broker ctl"
		floor["base"] = 1; floor["wire"] = 2; floor["ctl"] = floor["(main)"] = 4
		floor["relay"] = floor["encode"] = floor["session"] = floor["auth"] = floor["broker"] = 3
	}
	function bad(why) {
		printf "%s:%s: %s: %s\n", $1, $2, why, $3
	}
	{
		room = index($1, "/") ? substr($1, 1, index($1, "/") - 1) : "(main)"
		if (!(room in may)) {
			bad("room " room "/ is not known to tests/floors.sh")
			next
		}
		if (!match($3, /["<][^">]*[">]/)) {
			bad("an include that cannot be checked")
			next
		}
		quoted = substr($3, RSTART, 1) == "\""
		path = substr($3, RSTART + 1, RLENGTH - 2)
		target = index(path, "/") ? substr(path, 1, index(path, "/") - 1) : ""
		if (!quoted && !(target in floor))
			next # the system
		if (path == "filters.h" && $1 == "base/sandbox.c")
			next # made by tools/mkfilter.c
		if (path ~ /\.c$/)
			bad("a source is not for inclusion")
		else if (path ~ /(^|\/)\.\.?\// || !(target in floor))
			bad("own headers are included as \"room/file.h\"")
		else if (!quoted)
			bad("own headers are included in quotes")
		else if ($1 == "base/macros.h")
			bad("base/macros.h is all that wire/ gets of base/, so it includes nothing of ours")
		else if (room == "wire" && path == "base/macros.h")
			next
		else if ($1 == "xproxy-conn.c" && target == "ctl")
			bad("ctl/ is for xproxyctl alone: it links what a connection must not")
		else if ((" " may[room] " ") !~ (" " target " "))
			bad(room == "wire" ? "wire/ includes wire/ and base/macros.h only" : \
			    floor[target] > floor[room] ? room "/ includes from a higher floor" : \
			    room "/ may not enter " target "/")
	}'
}

# The sources of a tree, one per line, without tests.
sources() {
	find . \( -path ./tests -o -path ./build -o -name '.?*' \) -prune -o -name '*.[ch]' -print |
		sed 's,^\./,,' | grep -v '^build' | LC_ALL=C sort
}

check_tree() {
	local found
	cd "$1"
	found=$(
		sources | while read -r file; do
			# A continued line is one line; comments around the path do not hide it.
			awk -v f="$file" '
				{ gsub(/\t/, " "); text = text $0; first = first ? first : FNR }
				/\\$/ { sub(/\\$/, "", text); next }
				text ~ /^ *# *(include|include_next|import)/ { print f "\t" first "\t" text }
				{ text = ""; first = 0 }' "$file" | check_includes
			awk -v f="$file" -v max="$file_max" -v function_max="$function_max" -v main_max="$main_max" '
				/^\{/ { start = FNR }
				/^\}/ && start {
					if (FNR - start - 1 > function_max)
						printf "%s:%d: a function of %d lines, at most %d\n", f, start,
						       FNR - start - 1, function_max
					start = 0
				}
				END {
					if (f == "xproxy-conn.c") max = main_max
					if (FNR > max) printf "%s: %d lines, at most %d\n", f, FNR, max
				}' "$file"
		done
	)
	[ -n "$found" ] || return 0
	printf '%s\n' "$found"
	return 1
}

# ---- the test of the test ------------------------------------------------------------------

scratch=
failures=0

# One file in an otherwise good tree: expect PATTERN FILE LINE...; an empty pattern: nothing is wrong.
expect() {
	local pattern=$1 file=$2 out rc=0
	shift 2
	rm -rf "$scratch/tree"
	mkdir -p "$scratch/tree"/{base,wire,relay,encode,session,auth,broker,ctl,tools,tests,odd}
	printf '%s\n' '#include <stdio.h>' 'int f(void)' '{' '	return 0;' '}' >"$scratch/tree/wire/good.c"
	printf '%s\n' "$@" >"$scratch/tree/$file"
	out=$(check_tree "$scratch/tree") || rc=1
	if [ -z "$pattern" ] && [ -z "$out" ] && [ "$rc" -eq 0 ]; then return; fi
	if [ -n "$pattern" ] && [ "$rc" -eq 1 ] && grep -q "^$file.*$pattern" <<<"$out" &&
		[ "$(wc -l <<<"$out")" -eq 1 ]; then return; fi
	echo "self-test: $file: $1: expected '${pattern:-nothing}', got '${out:-nothing}'"
	failures=$((failures + 1))
}

lines() {
	yes "$2" | head -n "$1"
}

self_test() {
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	expect 'higher floor' base/x.c '#include "wire/token.h"'
	expect 'higher floor' base/x.h '#include "auth/chain.h"'
	expect 'wire/ includes wire/ and base/macros.h only' wire/x.c '#include "base/log.h"'
	expect 'wire/ includes wire/ and base/macros.h only' wire/x.c '#include "relay/leg.h"'
	expect 'relay/ may not enter auth/' relay/x.c '#include "auth/chain.h"'
	expect 'relay/ may not enter session/' relay/x.h '	#  include  "session/record.h"'
	expect 'encode/ may not enter session/' encode/x.c '#include "session/record.h"'
	expect 'auth/ may not enter relay/' auth/x.c '#include "relay/worker.h"'
	expect 'session/ may not enter relay/' session/x.c '#include "relay/worker.h"'
	expect 'session/ may not enter auth/' session/x.c '#include "auth/module.h"'
	expect 'tools/ may not enter\|higher floor' tools/x.c '#include "auth/module.h"'
	expect 'higher floor' session/x.c '#include "ctl/query.h"'
	expect 'higher floor' auth/x.h '#include "ctl/query.h"'
	expect 'ctl/ may not enter relay/' ctl/x.c '#include "relay/worker.h"'
	expect 'for xproxyctl alone' xproxy-conn.c '#include "ctl/query.h"'
	expect 'in quotes' session/x.c '#include <session/record.h>'
	expect 'room/file.h' session/x.c '#include "../auth/module.h"'
	expect 'room/file.h' session/x.c '#include "session/../auth/module.h"'
	expect 'room/file.h' session/x.c '#include "record.h"'
	expect 'a source' session/x.c '#include "session/record.c"'
	expect 'cannot be checked' session/x.c '#include HEADER'
	expect 'may not enter auth' relay/x.c $'#include \\' '"auth/chain.h"'
	expect 'may not enter auth' relay/x.c '#include /* only once */ "auth/chain.h"'
	expect 'all that wire/ gets' base/macros.h '#include "base/log.h"'
	expect 'not known' odd/x.c '#include "base/log.h"'
	mapfile -t long < <(lines 451 'int x;')
	expect '451 lines, at most 450' relay/x.c "${long[@]}"
	expect '81 lines, at most 80' xproxy-conn.c "${long[@]:0:81}"
	expect 'a function of 61 lines' relay/x.c 'int f(void)' '{' "${long[@]:0:61}" '}'
	expect '' relay/x.c 'int f(void)' '{' "${long[@]:0:60}" '}' 'struct x {' "${long[@]:0:61}" '};'
	expect '' relay/x.c "${long[@]:0:450}"
	expect '' wire/x.c '#include <errno.h>' '#include "base/macros.h"' '#include "wire/token.h"'
	expect '' auth/x.c '#include "session/record.h"' '#include "wire/digest.h"' '#include "auth/chain.h"'
	expect '' ctl/x.c '#include "auth/load.h"' '#include "session/record.h"' '#include "ctl/query.h"'
	expect '' xproxyctl.c '#include "ctl/query.h"'
	expect '' xproxy-conn.c '#include "auth/guard.h"' '#include "relay/worker.h"'
	expect '' tests/x.c '#include "anything"'
	if [ "$failures" -eq 0 ]; then
		echo "self-test: every violation is found"
	fi
	return "$((failures > 0))"
}

case ${1-} in
--self-test) self_test ;;
-*)
	echo "usage: floors.sh [TREE] | --self-test" >&2
	exit 2
	;;
*) check_tree "${1:-$(dirname "$0")/..}" ;;
esac
