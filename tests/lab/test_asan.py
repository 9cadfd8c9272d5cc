# SPDX-License-Identifier: GPL-2.0-or-later
"""Plugins built with AddressSanitizer and UBSan in the real daemons.

On a kernel without ESP and GRE this goes as far as registration, discovery
and policing: control socket, IKE, BGP.
"""

import os
import pathlib
import subprocess

import pytest

from bgp_speaker import ROUTES, Speaker, rd, update, vpnv6_nlri
from lab import wait_for
from run import kernel_suffices
from sites import SR_ADDRESS, Network, Site, section, sr_swanctl
from test_policing import in_place_of_bgpd, malformed

ASAN = os.environ.get("GROUPVPN_ASAN")
FOUND = ("ERROR: AddressSanitizer", "runtime error")


def runtime():
    """The shared sanitizer runtime that goes with the compiler."""
    name = subprocess.run(["gcc", "-print-file-name=libasan.so"], text=True,
                          check=True, capture_output=True).stdout.strip()
    return str(pathlib.Path(name).resolve())


def in_chroot():
    """Entering a mount namespace leads out of one."""
    mounts = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return not any(line.split()[4] == "/" for line in mounts)


@pytest.mark.skipif(not ASAN, reason="no build tree with ASan was given")
@pytest.mark.skipif(in_chroot(), reason="not possible in a chroot")
def test_nothing_found_by_asan(own_lab):
    environment = {"LD_PRELOAD": runtime(),
                   # Stock bgpd leaks where VNC and VPN routes meet, and
                   # strongSwan has its own conversions in printf.
                   "ASAN_OPTIONS": "detect_leaks=0:detect_odr_violation=0"
                                   ":check_printf=0"}
    lab = own_lab(Network(
        groups={"blue": 100}, sr_flavour="asan",
        flavours={"asan": {"build": ASAN, "environment": environment}},
        sites=[Site("blue1", {"blue": "10.1.0"}, vrfs=False, flavour="asan"),
               Site("blue2", {"blue": "10.2.0"}, vrfs=False, flavour="asan",
                    credential="pubkey"),
               Site("outsider", {"blue": "10.6.0"}, vrfs=False,
                    authorised=False)]))
    lab.start()
    wait_for(lambda: set(lab.registered("blue")) == {"blue1", "blue2"},
             "both sites to be registered")
    if kernel_suffices():
        lab.wait_until_up()
    lab["sr"].wait_for_log("charon", "refused with AUTHORIZATION_FAILED")

    site = lab.site("blue1")
    own = lab.registered("blue")["blue1"]
    with in_place_of_bgpd(lab["blue1"], lambda: Speaker.connect(
            lab["blue1"], site.gateway, SR_ADDRESS, site.asn)) as session:
        for reason, value in malformed(ROUTES, 100, own["memberId"],
                                       own["senderId"], own["gateway"]):
            before = lab.drops("sr", "blue")[reason]
            session.send(update(
                site.asn, 100, [vpnv6_nlri(rd(own["memberId"], 100),
                                           "2001:db8::bad")],
                value, site.gateway))
            wait_for(lambda r=reason, b=before: sum(
                groups["dropped"][r] for groups in
                (lab["sr"].bgp_json("show bgp group-vpn"),
                 lab["sr"].bgp_json("show bgp group-vpn")["groups"]["blue"]))
                > b, f"a drop to be counted as {reason}")

    lab.reconfigure("sr", sr_swanctl(lab.network, groups=[]) + section(
        "groups", section("bad", "id = 1", "role = gcks", "lifetime = never")))
    wait_for(lambda: not lab["sr"].bgp_json("show bgp group-vpn")["groups"],
             "the S/R to have no group")
    lab.restore("sr")
    lab["blue2"].charon.kill()
    lab["blue2"].charon.start()
    lab["blue2"].load_swanctl()
    wait_for(lambda: "blue2" in lab.registered("blue"),
             "blue2 to be registered again")
    lab["blue1"].vtysh("show bgp group-vpn", "show bgp group-vpn json")

    for host in (lab["blue1"], lab["blue2"], lab["sr"]):
        for daemon in (host.charon, host.bgpd):
            status = daemon.stop(180)
            output = host.output(daemon.name)
            assert not any(word in output for word in FOUND), output
            assert status == 0
