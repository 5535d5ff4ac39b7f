#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# x2go.sh BUILD - installs an X2Go server and Debian's own session broker into a layer over this machine's disk, kept
# as BUILD/x2go/layer.tar, for tests/system/x2go.py. Not on the disk itself: their packages start daemons on every
# address, add users and set programs set-uid. Where the layer cannot be made, the tests that need it are skipped.
set -eu

packages="x2goserver x2goserver-xsession x2gobroker-agent x2gobroker x2gobroker-daemon x2gobroker-authservice x2gobroker-ssh sudo"
dir=$1/x2go

without() {
	echo "x2go.sh: $1: the tests of the X2Go session broker with a real server are skipped"
	exit 0
}

# Runs in namespaces of its own, without a network: what the packages start is heard by nobody and dies with it.
inside() {
	mount -t tmpfs -o mode=755,size=2g none /mnt
	mkdir /mnt/up /mnt/work /mnt/root
	mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/up,workdir=/mnt/work /mnt/root
	root=/mnt/root
	mount -t proc proc $root/proc
	mount -t tmpfs none $root/dev
	for node in null:3 zero:5 full:7 random:8 urandom:9; do
		mknod -m 666 "$root/dev/${node%:*}" c 1 "${node#*:}"
	done
	ln -s /proc/self/fd $root/dev/fd
	mount -t tmpfs none $root/run
	mount -t tmpfs -o mode=1777 none $root/tmp
	mkdir $root/tmp/debs
	mount --bind "$dir/debs" $root/tmp/debs
	printf '#!/bin/sh\nexit 101\n' >$root/usr/sbin/policy-rc.d
	chmod 755 $root/usr/sbin/policy-rc.d
	chroot $root sh -ec 'DEBIAN_FRONTEND=noninteractive dpkg -i /tmp/debs/*.deb && x2godbadmin --createdb' </dev/null
	umount $root/tmp/debs
	tar -C /mnt/up --xattrs --xattrs-include='*' --exclude=./var/cache -cf "$dir/layer.part" .
	mv "$dir/layer.part" "$dir/layer.tar"
}

if [ "${2-}" = inside ]; then
	inside
	exit
fi
[ ! -e "$dir/layer.tar" ] || exit 0
[ "$(id -u)" -eq 0 ] || without "not root"
command -v apt-get >/dev/null || without "this is not Debian"
mkdir -p "$dir/debs/partial"
dir=$(cd "$dir" && pwd)
# shellcheck disable=SC2086 # several words
apt-get -qq -o Dir::Cache::archives="$dir/debs" -y --no-install-recommends --download-only install $packages ||
	without "its packages cannot be fetched"
unshare --mount --net --pid --ipc --uts --fork --kill-child --mount-proc --propagation private "$0" "${dir%/x2go}" inside \
	>"$dir/log" 2>&1 || without "they cannot be installed, see $dir/log"
