#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# debian13.sh DIRECTORY COMMAND [ARGUMENTS]
#
# Runs a command, `make` in all likelihood, in a copy of this source tree on a
# Debian 13 of its own in DIRECTORY: installed there once, from the mirror that
# apt uses here, and kept.  The copy has what git knows, as it is in the work
# tree; what was built there before stays.

set -eu

release=trixie
mkdir -p "$1"
root=$(cd "$1" && pwd)
shift
source=$(cd "$(dirname "$0")/.." && pwd)

[ "$(id -u)" = 0 ] || { echo "chroot needs root: run this with sudo" >&2; exit 1; }
command -v debootstrap >/dev/null ||
	apt-get -q -y --no-install-recommends install debootstrap

mirror() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
		/etc/apt/sources.list.d/*.sources 2>/dev/null |
		sed -n 's,^deb .*\(http[^ ]*/debian/*\) .*,\1,p
			s,^URIs: *\(http[^ ]*/debian/*\)$,\1,p' | head -n 1
}

if ! [ -e "$root/.complete" ]; then
	rm -rf "$root"
	debootstrap --variant=minbase --include=ca-certificates,git,make \
		"$release" "$root" "$(mirror)"
	# The security archive first: it keeps the sources of what it has.
	{
		mirror | sed "s,/debian/*\$,/debian-security $release-security,"
		echo "$(mirror) $release"
	} | sed 's/.*/deb & main/' >"$root/etc/apt/sources.list"
	touch "$root/.complete"
fi

mkdir -p "$root/groupvpn"
cd "$source"
git ls-files -z --cached --others --exclude-standard |
	xargs -0 -r sh -c 'for f; do [ ! -e "$f" ] || printf "%s\0" "$f"; done' sh |
	tar -c --null -T - | tar -x -C "$root/groupvpn"

# Its mounts go away with the namespace.  UML keeps its memory in /dev/shm.
exec unshare --mount sh -c '
	mount -t proc proc "$0/proc"
	mount --rbind /dev "$0/dev"
	mount -t tmpfs -o mode=1777 shm "$0/dev/shm"
	mount -t sysfs sys "$0/sys"
	root=$0
	exec chroot "$root" env LC_ALL=C.UTF-8 HOME=/root \
		PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c "cd /groupvpn && exec \"\$@\"" sh "$@"
' "$root" "$@"
