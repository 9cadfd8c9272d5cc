# SPDX-License-Identifier: GPL-2.0-or-later
"""Plugins refuse a host of another version, and say what to rebuild."""

import pathlib
import subprocess

import pytest

from lab import FRR_DAEMONS, INSIDE, DaemonEnded, Lab


def relabel(source, target, version):
    """A copy that says it is of another version; returns which."""
    other = version[:-1] + ("1" if version[-1] != "1" else "2")
    data = pathlib.Path(source).read_bytes()
    target.write_bytes(data.replace(version.encode(), other.encode()))
    target.chmod(0o755)
    return other


@pytest.fixture
def host():
    with Lab() as lab:
        host = lab.host("host", lab.flavour())
        lab.wire()
        yield host


def test_bgpd_module_of_another_version_is_refused(host):
    version = subprocess.run([FRR_DAEMONS / "bgpd", "--version"], text=True,
                             capture_output=True).stdout.split()[2]
    module = host.lab.directory / "flavour-normal" / "bgpd_groupvpn.so"
    other = relabel(module, module, version)
    host.zebra.start()
    with pytest.raises(DaemonEnded) as ended:
        host.bgpd.start()
    message = str(ended.value)
    assert f"built for FRR {other}, but this is bgpd {version}" in message
    assert "--with-frr-source" in message


def test_charon_of_another_version_is_refused(host):
    version = subprocess.run(
        ["dpkg-query", "-W", "-f=${source:Upstream-Version}", "charon-systemd"],
        text=True, capture_output=True, check=True).stdout
    other = relabel("/usr/sbin/charon-systemd", host.lab.directory / "charon",
                    version)
    host.charon.argv = [INSIDE / "charon"]
    host.charon.start()
    line = host.wait_for_log("charon", f"built for strongSwan {version}")
    assert f"this is {other}" in line and "--with-strongswan-source" in line
    # charon goes on without it.
    host.wait_for_log("charon", "loaded plugins")
    assert not host.outside("/run/charon.groupvpn.ctl").exists()
