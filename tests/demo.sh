#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# demo.sh [BUILD-DIR] - what the proxy is for, once, with the real xpra on both sides (`make demo`):
#
#   xpra attach --tcp--> systemd-socket-activate --spawns--> xproxy-conn --unix--> xpra start
#
# A user database, a session with two windows, a listening socket on 127.0.0.1, a client with an X
# server of its own, and a picture of what that client shows: BUILD-DIR/demo.png. Fails if the
# windows do not arrive there. All of it lives in a scratch folder and goes with it.
#
# As root, the session and the client run as `nobody`: root's sessions cannot be reached.
set -u

build=$(realpath "${1:-$(dirname "$0")/../build}")
picture=$build/demo.png
title=xproxy-demo
quiet=(--mdns=no --pulseaudio=no --speaker=off --microphone=off --notifications=no --printing=no
	--webcam=no)

# ---- the end -------------------------------------------------------------------------------

scratch=
made_x11_dir=
pids=()
caches_before=

# Stops one process that we started, politely first.
stop() {
	local pid=$1 i
	kill "$pid" 2>/dev/null
	for ((i = 0; i < 100; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
}

# What the proxy has remembered about which session speaks what, outside of our folder if we are root.
caches() {
	[ "$(id -u)" -ne 0 ] || ls -d /run/xproxy /run/xproxy/* 2>/dev/null
}

clean_up() {
	local i path
	for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
		stop "${pids[i]}"
	done
	caches | sort -r | while read -r path; do
		grep -qxF "$path" <<<"$caches_before" && continue
		if [ -d "$path" ]; then rmdir "$path"; else rm -f "$path"; fi
	done
	[ -z "$scratch" ] || rm -rf "$scratch"
	[ -z "$made_x11_dir" ] || rmdir /tmp/.X11-unix 2>/dev/null
}

fail() {
	local log
	echo "demo: FAILED: $*" >&2
	for log in "$scratch"/*.log; do
		[ -s "$log" ] || continue
		echo "--- the end of ${log##*/}" >&2
		grep -vE 'Gtk-WARNING|^$' "$log" | uniq | tail -15 >&2
	done
	exit 1
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- helpers -------------------------------------------------------------------------------

say() {
	echo "demo: $*"
}

# until SECONDS COMMAND...: tries until it is true; false if it never was.
until_true() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.1
	done
}

logged() {
	grep -qE "$2" "$scratch/$1.log" 2>/dev/null
}

alive() {
	kill -0 "${pids[-1]}" 2>/dev/null
}

# Starts a command in the background, its output in NAME.log: background NAME COMMAND... Functions
# would get a shell of their own, which is what a signal then hits: only programs.
background() {
	local name=$1
	shift
	"$@" >"$scratch/$name.log" 2>&1 </dev/null &
	pids+=($!)
}

random() {
	od -An -N16 -tx1 /dev/urandom | tr -d ' \n'
}

# A display that no X server has, on disk or in the abstract namespace.
free_display() {
	local n
	for ((n = $1; n < $1 + 100; n++)); do
		[ ! -e "/tmp/.X$n-lock" ] && [ ! -e "/tmp/.X11-unix/X$n" ] &&
			! grep -qE "@/tmp/.X11-unix/X$n$" /proc/net/unix && echo "$n" && return
	done
	fail "there is no free display from :$1 on"
}

# The id of the client's window for a window of the session.
client_window() {
	"${on_screen[@]}" xwininfo -root -tree 2>/dev/null |
		sed -nE "s/^ *(0x[0-9a-f]+) \"$1[ \"].*/\1/p" | head -1
}

# Whether that window shows something: more than one colour.
painted() {
	local id colours
	id=$(client_window "$1")
	[ -n "$id" ] || return 1
	"${on_screen[@]}" import -window "$id" png:- >"$scratch/window.png" 2>/dev/null || return 1
	colours=$(identify -format '%k' "$scratch/window.png" 2>/dev/null)
	[ "${colours:-0}" -gt 1 ]
}

client_listed() {
	"$build/xproxyctl" -c "$scratch/xproxy.conf" list | grep -q "$user_in_database"
}

# ---- what is needed ------------------------------------------------------------------------

for tool in xpra Xvfb xterm xclock xauth xwininfo import identify setpriv systemd-socket-activate; do
	command -v "$tool" >/dev/null || fail "$tool is not installed; tests/deps.sh demo installs it (as root)"
done
for file in xproxy-conn xproxyctl auth-sqlite.so; do
	[ -x "$build/$file" ] || fail "$build/$file is missing; make builds it"
done

# Not in TMPDIR: paths of unix sockets must be short, and those in SocketDirs without blanks.
scratch=$(mktemp -d /tmp/xproxy-demo.XXXXXX) || exit 1
caches_before=$(caches)
home=$scratch/home
if [ "$(id -u)" -eq 0 ]; then
	user=nobody
else
	user=$(id -un)
fi
uid=$(id -u "$user") gid=$(id -g "$user")
chmod 755 "$scratch"
mkdir -m 700 "$home" "$scratch/run" "$scratch/sockets"
[ "$(id -u)" -ne 0 ] || chown "$uid:$gid" "$home" "$scratch/run" "$scratch/sockets"
if [ ! -d /tmp/.X11-unix ]; then
	mkdir -m 1777 /tmp/.X11-unix && made_x11_dir=yes
fi

# Runs a command as the session's user, in that user's part of the folder, without the machine's
# settings for xpra (Debian's start an Xsession with its warnings).
as_user=(env -i -C "$home" HOME="$home" USER="$user" LOGNAME="$user" SHELL=/bin/sh LC_ALL=C.UTF-8
	PATH=/usr/local/bin:/usr/bin:/bin TMPDIR="$home" XDG_RUNTIME_DIR="$scratch/run"
	XAUTHORITY="$home/.Xauthority" NO_AT_BRIDGE=1 GDK_BACKEND=x11
	XPRA_SYSTEM_CONF_DIRS="$home" XPRA_DEFAULT_CONF_DIRS="$home" XPRA_USER_CONF_DIRS="$home")
[ "$(id -u)" -ne 0 ] || as_user=(setpriv --reuid "$uid" --regid "$gid" --clear-groups "${as_user[@]}")
display=$(free_display 700)
screen=$(free_display 800)
on_screen=("${as_user[@]}" env DISPLAY=":$screen")
for n in "$display" "$screen"; do
	"${as_user[@]}" xauth -q add ":$n" . "$(random)" 2>/dev/null || fail "xauth"
done

# ---- 1. a user database --------------------------------------------------------------------

user_in_database=demo
password=$(random)
database=$scratch/users.sdb
say "1. a user database: user '$user_in_database', session :$display of the system's user '$user'"
"$build/xproxyctl" users "$database" create || fail "xproxyctl users create"
"$build/xproxyctl" users "$database" add "$user_in_database" - "$uid" "$gid" ":$display" <<<"$password" ||
	fail "xproxyctl users add"
"$build/xproxyctl" users "$database" list
cat >"$scratch/xproxy.conf" <<END
[Auth]
Module=sqlite(filename=$database)
[Sessions]
SocketDirs=$scratch/sockets
END
"$build/xproxy-conn" -c "$scratch/xproxy.conf" --check-config >/dev/null || fail "the configuration"

# ---- 2. a session --------------------------------------------------------------------------

say "2. a session: xpra start :$display, with an xterm and an xclock"
cat >"$scratch/xterm.sh" <<'END'
#!/bin/sh
printf '\033[1mThis xterm runs in an xpra session.\033[0m\n\n'
printf 'The client that shows it has logged in to xproxy,\nwhich found the session and passes the packets on.\n\n'
date
exec cat
END
chmod 755 "$scratch/xterm.sh"
background session "${as_user[@]}" xpra start ":$display" --daemon=no --systemd-run=no "${quiet[@]}" \
	--start="xterm -T $title -geometry 72x12+60+60 -fa Monospace -fs 11 -bg #10243e -fg #e8eef7 -e $scratch/xterm.sh" \
	--start="xclock -geometry 180x180+560+330 -update 1" \
	--socket-dir="$scratch/sockets" --socket-dirs="$scratch/sockets" --dbus-launch= --dbus-proxy=no \
	--html=off --start-new-commands=no \
	--xvfb="/usr/bin/Xvfb +extension Composite -screen 0 1280x800x24+32 -nolisten tcp -noreset -auth $home/.Xauthority"
session_pid=${pids[-1]}
session_ready() {
	logged session 'xpra is ready' || ! alive
}
until_true 60 session_ready || fail "the xpra session is not ready after 60 seconds"
alive || fail "the xpra session did not start"

# ---- 3. a listening socket -----------------------------------------------------------------

# systemd-socket-activate gives the program TERM, PATH, HOME, USER and what -E names.
listen() {
	background proxy env HOME="$scratch" XDG_RUNTIME_DIR="$scratch/run" systemd-socket-activate \
		--accept --inetd -l "127.0.0.1:$1" -E XDG_RUNTIME_DIR "$build/xproxy-conn" -c "$scratch/xproxy.conf"
	listening() {
		logged proxy 'Listening on' || ! alive
	}
	until_true 10 listening && logged proxy 'Listening on' && alive
}
for ((port = 14500; port < 14600; port++)); do
	listen "$port" && break
	stop "${pids[-1]}"
	unset 'pids[-1]'
done
[ "$port" -lt 14600 ] || fail "systemd-socket-activate cannot listen on any port from 14500 to 14599"
say "3. a listening socket: systemd-socket-activate --accept --inetd -l 127.0.0.1:$port xproxy-conn"

# ---- 4. a client ---------------------------------------------------------------------------

background screen "${as_user[@]}" Xvfb ":$screen" -screen 0 800x560x24 -nolisten tcp -noreset \
	-auth "$home/.Xauthority"
screen_ready() {
	"${on_screen[@]}" xwininfo -root >/dev/null 2>&1
}
until_true 20 screen_ready || fail "Xvfb for the client did not start"
"${on_screen[@]}" xsetroot -solid '#5b7a99' 2>/dev/null

(umask 077 && printf %s "$password" >"$home/password")
[ "$(id -u)" -ne 0 ] || chown "$uid:$gid" "$home/password"
say "4. a client: xpra attach tcp://$user_in_database@127.0.0.1:$port/"
began=$(date +%s%N)
background client "${on_screen[@]}" xpra attach "tcp://$user_in_database@127.0.0.1:$port/" \
	--password-file="$home/password" "${quiet[@]}" --opengl=no --tray=no --mmap=no --clipboard=no \
	--bell=no --dbus-proxy=no
shown() {
	! alive || { painted "$title" && painted xclock; }
}
until_true 40 shown || fail "the session's windows did not arrive at the client within 40 seconds"
alive || fail "the client ended before it showed the session's windows"
say "   both windows are there after $((($(date +%s%N) - began) / 1000000)) ms"

# ---- 5. what there is to see ---------------------------------------------------------------

say "5. xproxyctl list"
until_true 10 client_listed || fail "xproxyctl list does not show the connection"
"$build/xproxyctl" -c "$scratch/xproxy.conf" list
"${on_screen[@]}" import -window root png:- >"$picture.tmp" || fail "import: no picture"
mv "$picture.tmp" "$picture"
say "6. the client's screen: $picture"

# ---- 6. the end, in order ------------------------------------------------------------------

stop "${pids[-1]}"
unset 'pids[-1]'
gone() {
	[ -z "$(compgen -G "$scratch/sockets/*-proxy-*")" ]
}
until_true 5 gone || fail "the connection did not end with its client"
kill -0 "$session_pid" 2>/dev/null || fail "the session ended with the connection"
say "the client left: its connection is gone, the session lives on. All is well."
