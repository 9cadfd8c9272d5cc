# SPDX-License-Identifier: GPL-2.0-or-later
"""channel = yes: BGP between members and the S/R passes in ESP only."""

import re
import socket

import pytest

from kept import closed_at_the_end
from lab import wait_for
from sites import (SR_ADDRESS, Network, Site, build, member_swanctl, section,
                   sr_swanctl)
from test_restart import start_charon

CHANNEL = 0x67770000
YES = ("channel = yes",)
TIMES = ("lifetime = 30s", "atd = 1s", "dtd = 3s")


@pytest.fixture(scope="module")
def channel(request):
    """Two groups with a channel, one site in both of them."""
    policy = (*YES, f"address = {SR_ADDRESS}", *TIMES)
    lab = build(Network(
        groups={"blue": 100, "red": 200},
        policy={"blue": policy, "red": policy},
        sites=[Site("one", {"blue": "10.1.0", "red": "10.1.1"},
                    options={"blue": YES, "red": YES}),
               Site("two", {"blue": "10.2.0"}, options={"blue": YES}),
               Site("three", {"red": "10.3.1"}, options={"red": YES})]))
    with closed_at_the_end(request, lab, "channel"):
        # From before the first daemon runs to the end of the last test.
        lab.wires = [lab.capture(lab["b1"], port, "tcp port 179 or esp")
                     for port in ("to-sr", "to-one")]
        lab.start()
        lab.wait_until_up()
        yield lab


def assert_nothing_in_clear(lab):
    for wire in lab.wires:
        lines = wire.lines("tcp port 179")
        assert not lines, lines[:5]
        assert wire.count("esp")


def states(host):
    return [s for s in host.states() if s["reqid"] == CHANNEL]


def heard(host):
    """From where the S/R has received by the SAs that it has now."""
    return {s["src"] for s in states(host) if s["dst"] == SR_ADDRESS
            and int(re.search(r"(\d+)\(packets\)", s["text"].split(
                "lifetime current")[1]).group(1))}


def established(lab, name):
    """How often the S/R's session with a site came up, 0 if it is down."""
    shown = lab["sr"].bgp_json("show bgp ipv6 vpn summary")
    peer = shown["peers"][lab.site(name).gateway]
    return peer["state"] == "Established" and peer["connectionsEstablished"]


def test_session_comes_up_from_nothing_in_esp(channel):
    for name in ("one", "two", "three"):
        wait_for(lambda n=name: established(channel, n), f"the session of {name}")
        mine = states(channel[name])
        assert {s["src"] for s in mine} | {s["dst"] for s in mine} == {
            SR_ADDRESS, channel.site(name).gateway}
    assert_nothing_in_clear(channel)
    # The policies do not grow with the members, nor with the groups.
    text = [p for p in channel["sr"].policies() if "179" in p]
    assert len(text) == 4


def test_session_survives_epochs(channel):
    """And no Sender-ID pair of the S/R is in use twice."""
    up = {name: established(channel, name) for name in ("one", "two", "three")}
    assert all(up.values())
    first = {s["spi"] for s in states(channel["sr"])}
    wait_for(lambda: not first & {s["spi"] for s in states(channel["sr"])},
             "other SAs with every member", 120)
    assert {name: established(channel, name) for name in up} == up
    assert_nothing_in_clear(channel)


@pytest.mark.long
@pytest.mark.parametrize("end", ("stop", "kill"))
def test_charon_of_the_reflector_restarts(channel, end):
    """BGP waits for it, or comes back with it; in between nothing passes."""
    before = {s["spi"] & 0xffffff for s in states(channel["sr"])
              if s["src"] == SR_ADDRESS}
    getattr(channel["sr"].charon, end)()
    assert len([p for p in channel["sr"].policies() if "179" in p]) == 4
    start_charon(channel["sr"])
    wait_for(lambda: heard(channel["sr"]) == {
        channel.site(n).gateway for n in ("one", "two", "three")},
        "packets of every member by its new SAs", 120)
    channel.wait_until_up()
    wait_for(lambda: all(established(channel, n)
                         for n in ("one", "two", "three")), "all sessions", 120)
    after = {s["spi"] & 0xffffff for s in states(channel["sr"])
             if s["src"] == SR_ADDRESS}
    assert after and not before & after, "the S/R has new Sender-IDs"
    assert len([p for p in channel["sr"].policies() if "179" in p]) == 4
    assert_nothing_in_clear(channel)


@pytest.mark.long
def test_charon_of_a_member_restarts(channel):
    channel["one"].charon.kill()
    start_charon(channel["one"])
    channel.wait_until_up()
    assert len([p for p in channel["one"].policies() if "179" in p]) == 4
    assert_nothing_in_clear(channel)


# From here on there is BGP in clear, as the operator has it.
@pytest.mark.long
def test_other_neighbours_can_be_exempted(channel):
    sr, other = channel["sr"], channel["b1"]

    def connects():
        with sr.socket(kind=socket.SOCK_STREAM) as client:
            client.settimeout(1)
            try:
                client.connect(("192.0.2.1", 179))
            except OSError:
                return False
            return True
    with other.socket(kind=socket.SOCK_STREAM) as server:
        server.bind(("", 179))
        server.listen()
        assert not connects()
        channel.reconfigure("sr", sr_swanctl(channel.network).replace(
            "connections {\n", "connections {\n" + section(
                "others", section("children", section(
                    "bgp", "mode = pass", "start_action = trap",
                    f"local_ts = {SR_ADDRESS}[tcp]",
                    "remote_ts = 192.0.2.1[tcp]"))), 1))
        try:
            wait_for(connects, "a connection in clear")
        finally:
            channel.restore("sr")
    assert all(established(channel, n) for n in ("one", "two", "three"))


def test_member_without_a_channel_is_told(channel):
    """And the S/R takes nothing from it."""
    host, site = channel["two"], channel.site("two")
    since = host.log_size("charon")
    channel.reconfigure("two", member_swanctl(
        site, channel.network).replace("channel = yes", "channel = no"))
    try:
        host.wait_for_log("charon", "the GCKS takes BGP only with channel = yes",
                          since)
        wait_for(lambda: not established(channel, "two"), "its session to end")
    finally:
        channel.restore("two")
    wait_for(lambda: established(channel, "two"), "its session", 120)
    channel.wait_until_up()
