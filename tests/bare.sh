#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The README's two commands in a root folder of Debian in which nothing is installed.
#
# usage: bare.sh [ARG...]	ARGs go to `./dev test` there; exit 77 and a reason where it cannot be done
#
# PMT_BARE_ROOT is the folder (/var/cache/pymemtrace-bare), made anew each time and removed when all
# went well; PMT_BARE_SUITE the release (bookworm).
set -euo pipefail

root=${PMT_BARE_ROOT:-/var/cache/pymemtrace-bare}
suite=${PMT_BARE_SUITE:-bookworm}
top=$(readlink -f "$(dirname "$0")/..")

skip()
{
	echo "$*"
	exit 77
}

make_root()
{
	rm -rf --one-file-system "$root"
	mkdir -p "$(dirname "$root")"
	debootstrap --variant=minbase "$suite" "$root" >"$root.log" 2>&1 ||
		skip "debootstrap cannot make a root of $suite (no network?): see $root.log"
	mkdir -p "$root/source"
	git -C "$top" ls-files -z -co --exclude-standard --deduplicate | tar -C "$top" --null --ignore-failed-read -T - -c |
		tar -x --no-same-owner -C "$root/source"
}

# Within a mount namespace of its own: what every running system has. Then both commands.
run_both()
{
	mount -t proc proc "$root/proc"
	mount -t sysfs sysfs "$root/sys"
	mount --rbind /dev "$root/dev"
	run ./dev demo
	run ./dev test "$@"
}

# Without the variables of whoever called.
run()
{
	chroot "$root" /usr/bin/env -i -C /source HOME=/root LANG=C.UTF-8 \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@" </dev/null
}

if [ "${1:-}" = within ]; then
	shift
	run_both "$@"
	exit
fi
[ "$(id -u)" = 0 ] || skip "needs root, for debootstrap and chroot"
command -v debootstrap >/dev/null || skip "debootstrap is not installed"
unshare --mount true 2>/dev/null || skip "mounts cannot be made here"
make_root
unshare --mount --propagation private "$0" within "$@"
rm -rf --one-file-system "$root" "$root.log"
