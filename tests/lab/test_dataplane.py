# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets: anti-replay, rekeying, size."""

import re
import socket

from lab import Flood, wait_for
from sites import Network, Site

ETH_P_ALL = 3


def test_states_have_a_replay_window_and_one_sender(lab):
    for site in lab.network.members("blue"):
        states = lab[site.name].states()
        inbound = [s for s in states if s["dst"] == site.gateway]
        assert inbound and all(s["replay_window"] == 128 for s in inbound)
        pairs = [(s["spi"], s["dst"]) for s in states]
        assert len(set(pairs)) == len(pairs)
        assert all(s["mode"] == "transport" for s in states)


def test_replayed_packets_are_dropped(lab):
    site = lab.site("blue1")
    victim, router = lab[site.name], lab["b1"]
    capture = lab.capture(router, "to-blue1",
                          f"esp and dst host {site.gateway}")
    lab.is_reached(lab.site("blue2"), "blue", "10.1.0.10", 5)
    wait_for(lambda: capture.count() >= 5, "five captured ESP packets")
    capture.stop()
    before = victim.xfrm_counters()["XfrmInStateSeqError"]
    replayed = list(capture.frames())
    with router.socket(socket.AF_PACKET, socket.SOCK_RAW,
                       socket.htons(ETH_P_ALL)) as raw:
        raw.bind(("to-blue1", 0))
        for frame in replayed:
            raw.send(frame)
    wait_for(lambda: victim.xfrm_counters()["XfrmInStateSeqError"]
             >= before + len(replayed), "every replayed packet to be counted")


def test_policies_grow_with_groups_only(lab):
    for site in lab.network.sites:
        if site.authorised:
            assert len(lab[site.name].policies()) == 2 * len(site.groups)


def test_full_size_tcp_crosses_unfragmented(lab):
    capture = lab.capture(lab["b1"], "to-blue1")
    assert lab.transfer("blue", lab.site("blue2"), lab.site("blue1"),
                        1 << 20) == 1 << 20
    capture.stop()
    largest = max(len(frame) - 14 for frame in capture.frames())
    # Full packets use the path: within ESP's padding of 1500 octets.
    assert 1500 - 16 <= largest <= 1500
    assert capture.count("ip[6:2] & 0x3fff != 0") == 0, "fragments"


def test_path_mtu_is_told_to_the_end_host(lab):
    far = lab.far(lab.site("blue2"), "blue")

    def told():
        out = far.run("ping", "-n", "-c", "2", "-W", "1", "-M", "do", "-s",
                      "1472", "10.1.0.10", check=False)
        return int(re.search(r"mtu\s*=\s*(\d+)", out).group(1))
    mtu = wait_for(told, "an MTU to be told")
    assert 1400 <= mtu < 1500
    lab.is_reached(lab.site("blue2"), "blue", "10.1.0.10", size=mtu - 28,
                   options=("-M", "do"))


def test_epochs_roll_without_loss(own_lab):
    lab = own_lab(Network(
        groups={"blue": 100},
        policy={"blue": ("lifetime = 15s", "atd = 2s", "dtd = 5s")},
        sites=[Site("blue1", {"blue": "10.1.0"}),
               Site("blue2", {"blue": "10.2.0"}, vrfs=False)]))
    lab.start()
    lab.wait_until_up()

    def epoch():
        return lab["blue1"].bgp_json("show bgp group-vpn")["groups"]["blue"]["epoch"]

    def spis():
        return {s["spi"] for s in lab["blue1"].states()}
    first, first_spis = epoch(), spis()
    flood = Flood(lab.far(lab.site("blue1"), "blue"), "10.2.0.10")
    wait_for(lambda: epoch() >= first + 2, "two further epochs", 120)
    wait_for(lambda: not spis() & first_spis, "the first epoch's states to go")
    assert flood.end(100)[1] == 0
    # Old epochs do not pile up: the current one, and perhaps the next.
    assert len(lab["blue1"].states()) <= 4
