#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# npm.sh BUILD - fetches the xpra client that is on npm into BUILD/npm, for tests/system/test_npm.py. It is no
# Debian package and is not needed to build: where it cannot be had, that test is skipped.
set -eu
dir=$1/npm
[ ! -d "$dir/node_modules/xpra-html5-client" ] || exit 0
if ! command -v npm >/dev/null; then
	echo "npm.sh: there is no npm: the test of the npm client will be skipped"
	exit 0
fi
mkdir -p "$dir"
npm install --prefix "$dir" --no-save --no-audit --no-fund --loglevel=error xpra-html5-client@2.3.0 ws@8 ||
	echo "npm.sh: the npm client cannot be fetched: its test will be skipped"
