#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The newest interpreters, from Debian unstable in a root folder of their own.
#
# usage: sid.sh prepare		make the root if it is not there; exit 77 and a reason where it cannot be made
#	 sid.sh run COMMAND...	run COMMAND, to whom the root shows the source, the build and /tmp
#
# COMMAND runs outside the root, with PMT_CHROOT set; it enters by chroot. What is mounted is gone
# when it ends. PMT_SID_ROOT is the root's folder (/var/cache/pymemtrace-sid).
set -euo pipefail

root=${PMT_SID_ROOT:-/var/cache/pymemtrace-sid}
top=$(readlink -f "$(dirname "$0")/../..")
build=${PMT_BUILD:-$top/build}

skip()
{
	echo "$*"
	exit 77
}

interpreters()
{
	find "$root/usr/bin" -maxdepth 1 -name 'python3.[0-9]*' ! -name '*-config' 2>/dev/null | sort
}

# What building there needs, beside the interpreters and their headers.
building="gcc libc6-dev libjansson-dev libzstd-dev pkgconf"

install()
{
	chroot "$1" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -yq --no-install-recommends "${@:2}"
}

# A root that an earlier version made may lack some of it. What cannot be had, its tests miss by name.
complete_root()
{
	local log=$root.log
	# shellcheck disable=SC2086
	chroot "$root" dpkg-query -W $building >/dev/null 2>&1 && return
	# shellcheck disable=SC2086
	install "$root" $building >>"$log" 2>&1 || {
		chroot "$root" apt-get update -q && install "$root" $building
	} >>"$log" 2>&1 || echo "cannot be installed in $root: $building (see $log)"
}

# Into ROOT.unfinished, which gets its name when all is there.
make_root()
{
	local unfinished=$root.unfinished log=$root.log packages
	command -v debootstrap >/dev/null || skip "debootstrap is not installed"
	[ ! -e "$root" ] || skip "$root is there, but no interpreter is in it"
	rm -rf "$unfinished"
	mkdir -p "$(dirname "$root")"
	debootstrap --variant=minbase sid "$unfinished" >"$log" 2>&1 ||
		skip "debootstrap cannot make a root of Debian unstable (no network?): see $log"
	packages=$(chroot "$unfinished" apt-cache pkgnames python3.1 |
		grep -xE 'python3\.1[3-9]-dev' | tr '\n' ' ')
	# shellcheck disable=SC2086
	install "$unfinished" $building $packages >>"$log" 2>&1 ||
		skip "the interpreters of Debian unstable cannot be installed: see $log"
	chroot "$unfinished" apt-get clean
	mv "$unfinished" "$root"
}

prepare()
{
	[ "$(id -u)" = 0 ] || skip "needs root, for debootstrap and chroot"
	unshare --mount true 2>/dev/null || skip "mounts cannot be made here"
	[ -n "$(interpreters)" ] || make_root
	[ -n "$(interpreters)" ] || skip "no interpreter in $root"
	chroot "$root" /bin/true 2>/dev/null || skip "chroot cannot be used here"
	complete_root
	echo "in $root:" $(interpreters | xargs -n1 basename)
}

# Within a mount namespace of its own.
show_files()
{
	local folder
	for folder in "$top" "$build" /tmp; do
		mkdir -p "$root$folder"
		mountpoint -q "$root$folder" || mount --bind "$folder" "$root$folder"
	done
	mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
	mountpoint -q "$root/dev" || mount --rbind /dev "$root/dev"
}

case ${1:-} in
prepare)
	prepare
	;;
run)
	shift
	[ -n "$(interpreters)" ] || skip "no interpreter in $root: see sid.sh prepare"
	exec unshare --mount --propagation private "$0" within "$@"
	;;
within)
	shift
	show_files
	export PMT_CHROOT=$root
	exec "$@"
	;;
*)
	sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" >&2
	exit 2
	;;
esac
