#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# deps.sh build|demo|test|lint|bench|deb ... - the Debian 12 packages that a make target needs. As root: installs
# what is missing. Otherwise: prints the command that would, and fails if anything is missing.
set -eu

declare -A packages=(
	# What it links against, and libseccomp for the filters, which are compiled while building.
	[build]="gcc make pkg-config libc6-dev libseccomp-dev libsqlite3-dev liblz4-dev zlib1g-dev
		libbrotli-dev nettle-dev libssl-dev libsystemd-dev libcrypt-dev libpam0g-dev libldap-dev libkrb5-dev
		libpq-dev libmariadb-dev libjansson-dev liboath-dev libcurl4-openssl-dev
		libx264-dev libopenh264-dev libvpx-dev libturbojpeg0-dev libwebp-dev libspng-dev libyuv-dev
		libavcodec-dev libffmpeg-nvenc-dev"
	# systemd: systemd-socket-activate. x11-utils: xwininfo. x11-apps: xclock. imagemagick: import.
	# Without python3-pil the session sends no windows; without python3-gi-cairo the client paints none.
	[demo]="xpra xvfb xterm xauth x11-apps x11-utils x11-xserver-utils imagemagick python3-pil
		python3-gi-cairo python3-lz4 python3-rencode systemd util-linux"
	# passwd: useradd, where there are no namespaces. nginx, haproxy: front ends, with the PROXY protocol and
	# without, and a web server behind HTTPBackend=. chromium: what the HTML5 client is made for; nothing smaller
	# shows whether its windows are on the screen. libjs-jquery: a part of it that xpra's package only links to.
	# openssh-*, microsocks, tinyproxy: what may be on the way to a session's server.
	# fail2ban reads the journal with python3-systemd. iproute2: a whole network of clients.
	# postgresql, mariadb-server: databases of users.
	# slapd and those after it: a directory server, a KDC, and what makes tokens of its tickets, by itself and in xpra.
	# libx11-dev, libxext-dev: tests/bench/scene-window.c; xwd, in x11-apps, looks at it.
	# libauthen-u2f-tester-perl: a security key made by others.
	# python3-xlib: presses keys and sees when a window changes.
	# ffmpeg, libx265-dev: tests/nvenc-standin.
	# x2goclient, pyhoca-cli, and python3-pyqt5 to read as the former does: the session broker; for the server see x2go.sh.
	# The systemd packages and dbus: tests/rig.py. python3-prometheus-client: reads OpenMetrics.
	[test]="xpra xvfb xterm xauth x11-utils x11-apps xdotool python3 python3-pil python3-xlib python3-gi-cairo
		python3-lz4 python3-rencode python3-brotli python3-lzo python3-yaml systemd systemd-sysv dbus libpam-systemd util-linux
		mount passwd mandoc openssl nginx libnginx-mod-stream haproxy python3-cryptography
		python3-prometheus-client lintian testssl.sh bsdextrautils chromium chromium-driver libjs-jquery
		curl strace postgresql mariadb-server openssh-server openssh-client microsocks tinyproxy ca-certificates fail2ban
		python3-systemd iproute2 slapd ldap-utils krb5-kdc krb5-admin-server krb5-user
		python3-gssapi python3-kerberos libx11-dev libxext-dev libauthen-u2f-tester-perl ffmpeg
		libx265-dev x2goclient pyhoca-cli python3-x2go python3-pyqt5"
	[lint]="gcc clang clang-tidy clang-format cppcheck shellcheck mandoc python3 systemd"
	[fuzz]="clang llvm libclang-rt-14-dev" # llvm: symbols in its reports
	[bench]="haproxy"
	[deb]="build-essential debhelper dpkg-dev"
)

usage() {
	echo "usage: deps.sh build|demo|test|lint|fuzz|bench|deb ..." >&2
	exit 2
}

[ $# -gt 0 ] || usage
wanted=
for set in "$@"; do
	[ -n "${packages[$set]-}" ] || usage
	wanted+=" ${packages[$set]}"
done

if ! command -v dpkg-query >/dev/null; then
	echo "deps.sh: this is not Debian; needed is what these packages are there:" >&2
	xargs echo <<<"$wanted" >&2
	exit 0
fi

# On a machine with another init these would replace it: the tests that need them are skipped there.
foreign_init() {
	[ -e /sbin/init ] && [[ $(readlink -f /sbin/init) != */systemd ]]
}

missing=()
for package in $wanted; do
	case $package in systemd-sysv | libpam-systemd) ! foreign_init || continue ;; esac
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
	[ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

# Recommended packages stay away: xpra's alone would be a desktop.
install=(apt-get install -y --no-install-recommends "${missing[@]}")
if [ "$(id -u)" -ne 0 ]; then
	echo "Missing packages. As root: ${install[*]}" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# Wanted are the programs: nobody's nginx or sshd is to begin serving because tests were run.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap 'rm -f $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
fi
apt-get update -q
"${install[@]}"
