# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole way once under valgrind, with plugins built with UBSan.

What AddressSanitizer would find, where there is no room for its shadow: a
User-Mode Linux guest gives a process 39 bits of address space.
"""

import os
import re

import pytest

from bgp_speaker import ROUTES, Speaker, rd, update, vpnv6_nlri
from lab import wait_for
from sites import SR_ADDRESS, Network, Site, member_swanctl
from test_policing import in_place_of_bgpd, malformed

pytestmark = pytest.mark.long

UBSAN = os.environ.get("GROUPVPN_UBSAN")
VALGRIND = ("valgrind", "--log-file=/var/log/{}.valgrind", "--num-callers=40",
            "--keep-debuginfo=yes", "--leak-check=full",
            "--show-leak-kinds=definite", "--errors-for-leak-kinds=none")
OURS = re.compile(r"\((bgp_groupvpn|groupvpn_|attr|bytes|control|crypto|gikev2"
                  r"|gv|keys|seal)\w*\.c:\d+\)")


def records(text):
    """valgrind's reports, each as one text."""
    lines = (re.sub(r"^==\d+== ?", "", line) for line in text.splitlines())
    return "\n".join(lines).split("\n\n")


def complaints(output):
    found = [r for r in records(output) if OURS.search(r)
             and "HEAP SUMMARY" not in r]
    return found + re.findall(r".*runtime error: .*", output)


@pytest.mark.skipif(not UBSAN, reason="no build tree with UBSan was given")
def test_nothing_found_by_valgrind_and_ubsan(own_lab):
    lab = own_lab(Network(
        groups={"blue": 100}, sr_flavour="checked",
        policy={"blue": ("lifetime = 60s", "atd = 5s", "dtd = 15s")},
        flavours={"checked": {"build": UBSAN, "wrapper": VALGRIND}},
        sites=[Site("blue1", {"blue": "10.1.0"}, flavour="checked"),
               Site("blue2", {"blue": "10.2.0"}, credential="pubkey"),
               Site("outsider", {"blue": "10.6.0"}, authorised=False)]))
    lab.start()
    lab.wait_until_up(180)
    site, host = lab.site("blue1"), lab["blue1"]
    assert lab.answer(site, "blue", "10.2.0.10") == "blue2.blue"

    epoch = host.bgp_json("show bgp group-vpn")["groups"]["blue"]["epoch"]
    other = lab.registered("blue")["blue2"]
    neighbour = lab.site("blue2")
    with in_place_of_bgpd(lab["blue2"], lambda: Speaker.connect(
            lab["blue2"], neighbour.gateway, SR_ADDRESS,
            neighbour.asn)) as session:
        for _, value in malformed(ROUTES, 100, other["memberId"],
                                  other["senderId"], other["gateway"]):
            session.send(update(
                neighbour.asn, 100,
                [vpnv6_nlri(rd(other["memberId"], 100), "2001:db8::bad")],
                value, neighbour.gateway))
        wait_for(lambda: lab.drops("sr", "blue")["tlv"] > 0,
                 "the S/R to have counted malformed attributes")
    lab.wait_until_up(180)

    lab.reconfigure("blue1", member_swanctl(site, lab.network, groups=[]))
    wait_for(lambda: not host.states(), "the group to be gone", 120)
    lab.restore("blue1")
    lab.wait_until_up(180)
    wait_for(lambda: host.bgp_json("show bgp group-vpn")["groups"]["blue"]
             ["epoch"] > epoch, "another epoch", 240)
    host.vtysh("show bgp group-vpn", "show bgp group-vpn json",
               "show bgp group-vpn blue members", "show running-config")
    assert lab.answer(site, "blue", "10.2.0.10") == "blue2.blue"

    for checked in (host, lab["sr"]):
        for daemon in (checked.charon, checked.bgpd):
            assert daemon.stop(180) == 0
            output = checked.output(daemon.name)
            assert "ERROR SUMMARY" in output
            assert not complaints(output), "\n\n".join(complaints(output))
