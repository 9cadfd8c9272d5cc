#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# host-source.sh frr|strongswan DIRECTORY
#
# Puts the Debian source of the installed daemon, of the very same version,
# into DIRECTORY/NAME-VERSION and configures it as Debian's package does: for
# its headers; it is never built.  Does nothing when that was done before.
#
# The system's apt configuration is not changed: source entries are derived
# from its binary ones into lists of our own.  When the archive has no source
# of the installed release any more, the binaries are upgraded to the one that
# it has, which needs root.

set -eu

name=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)

case $name in
frr) package=frr ;;
strongswan) package=charon-systemd ;;
*) echo "$0: unknown source $name" >&2; exit 2 ;;
esac

installed() {
	dpkg-query -W -f='${Version}' $package
}

# Without epoch and Debian revision.
upstream_version() {
	installed | sed 's/^[0-9]*://; s/-[^-]*$//'
}

tree() {
	echo "$dir/$name-$(upstream_version)"
}

# The binary packages that must stay of one version with $package.
siblings() {
	dpkg-query -W -f='${db:Status-Status} ${source:Package} ${Package}\n' |
		awk -v source=$name '$1 == "installed" && $2 == source { print $3 }'
}

# Only the suites of this release: other archives often have no sources.
source_lists() {
	release=$(. /etc/os-release && echo "$VERSION_CODENAME")
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
		sed -n "/^deb .* $release[^ ]* /s/^deb /deb-src /p" \
			>"$dir/apt/parts/binary.list"
	for file in /etc/apt/sources.list.d/*.sources; do
		if [ -e "$file" ] && grep -q "^Suites:.*\<$release\>" "$file"; then
			sed 's/^Types:.*/Types: deb-src/' "$file" \
				>"$dir/apt/parts/$(basename "$file")"
		fi
	done
}

apt_with_sources() {
	"$@" -q -o Dir::Etc::SourceList=/dev/null \
		-o Dir::Etc::SourceParts="$dir/apt/parts" \
		-o Dir::State::Lists="$dir/apt/lists" \
		-o Dir::Cache="$dir/apt/cache" \
		-o APT::Sandbox::User=root
}

# The installed version first.  Another Debian revision of the same upstream
# release is as good for headers, and sometimes the only one that is there.
candidates() {
	installed && echo
	apt_with_sources apt-cache showsrc $name |
		sed -n "s/^Version: \($(upstream_version)-\)/\1/p" |
		grep -vxF "$(installed)" | sort -uVr
}

download() {
	for version in $(candidates); do
		if (cd "$dir" && apt_with_sources apt-get source \
			--download-only "$name=$version"); then
			echo "$version" >"$dir/$name.revision"
			return 0
		fi
	done
	return 1
}

fetch() {
	mkdir -p "$dir/apt/parts" "$dir/apt/lists/partial" "$dir/apt/cache"
	source_lists
	apt_with_sources apt-get update
	if ! download; then
		echo "The archive has no source of $name $(upstream_version): upgrading the binaries to what it has."
		[ "$(id -u)" = 0 ] || {
			echo "That needs root; run the same again with sudo." >&2
			exit 1
		}
		apt-get -q update
		DEBIAN_FRONTEND=noninteractive apt-get -q -y \
			--only-upgrade install $(siblings)
		download
	fi
	rm -rf "$(tree)"
	dpkg-source --no-check -x \
		"$dir/${name}_$(cat "$dir/$name.revision").dsc" "$(tree)"
}

# What changes the layout of a struct must be as in debian/rules; what does
# not and would need more packages is left out.
configure_frr() {
	./bootstrap.sh
	./configure PYTHON=/usr/bin/python3 \
		--localstatedir=/var/run/frr --sbindir=/usr/lib/frr \
		--sysconfdir=/etc/frr --libdir="/usr/lib/$1/frr" \
		--with-moduledir="/usr/lib/$1/frr/modules" \
		--disable-dependency-tracking --disable-rpki --disable-snmp \
		--disable-doc --disable-scripting --disable-irdpd \
		--enable-fpm --enable-bgp-vnc --enable-ospfapi \
		--enable-multipath=256 --enable-user=frr --enable-group=frr \
		--enable-vty-group=frrvty --enable-configfile-mask=0640 \
		--enable-logfile-mask=0640
	make lib/route_types.h
	# Since FRR 10 a header includes this one.
	[ ! -e lib/mgmt.proto ] || make lib/mgmt.pb-c.h
}

configure_strongswan() {
	./configure --prefix=/usr --sysconfdir=/etc --libdir=/usr/lib \
		--libexecdir=/usr/lib --enable-mediation --enable-systemd \
		--enable-swanctl --disable-gmp --enable-openssl \
		--with-capabilities=no \
		--with-systemdsystemunitdir=/lib/systemd/system
}

stamp=$dir/$name.installed
if [ "$(cat "$stamp" 2>/dev/null)" = "$(installed)" ] && [ -d "$(tree)" ]; then
	exit 0
fi
echo "Fetching and configuring the source of $name $(installed)"
rm -f "$stamp"
fetch
cd "$(tree)"
if ! configure_$name "$(dpkg-architecture -qDEB_HOST_MULTIARCH)" \
		>"$dir/$name.log" 2>&1; then
	tail -n 20 "$dir/$name.log"
	echo "Configuring $(tree) failed, all of it is in $dir/$name.log" >&2
	exit 1
fi
basename "$(tree)" >"$dir/$name.tree"
installed >"$stamp"
