# SPDX-License-Identifier: GPL-2.0-or-later
"""What changes under a running group: a gateway's address, and the clock."""

import contextlib
import pathlib
import time

import pytest

from lab import Flood, wait_for
from sites import SR_AS
from test_management import counters, ctl, epoch
from test_restart import everybody_reaches, installed_exactly

# Of another uplink of blue1's.
OTHER, ROUTER = "203.0.113.130", "203.0.113.129"


@contextlib.contextmanager
def another_uplink(lab):
    """b1 has one for blue1, and the S/R a neighbour there."""
    sr, neighbor = lab["sr"], f"neighbor {OTHER}"
    lab["b1"].ip(f"addr add {ROUTER}/30 dev to-blue1")
    lab["b2"].ip(f"route add {OTHER} via 198.51.100.1")
    sr.configure(f"router bgp {SR_AS}",
                 f"{neighbor} remote-as {lab.site('blue1').asn}",
                 f"{neighbor} ebgp-multihop", f"{neighbor} timers 3 9",
                 f"{neighbor} timers connect 2",
                 f"{neighbor} advertisement-interval 0",
                 "address-family ipv6 vpn", f"{neighbor} activate")
    try:
        yield
    finally:
        sr.configure(f"router bgp {SR_AS}", f"no {neighbor}")
        lab["b1"].ip(f"addr del {ROUTER}/30 dev to-blue1")
        lab["b2"].ip(f"route del {OTHER}")


def move(host, old, new, router):
    """The host's address on the backbone is another one."""
    host.ip(f"addr add {new}/30 dev wan",
            f"route replace 192.0.2.0/24 via {router} dev wan",
            f"route replace 203.0.113.0/24 via {router} dev wan",
            f"addr del {old}/30 dev wan")


def routes_via(lab, name, address):
    return {r["dst"] for r in lab[name].ip_json("route show table all")
            if r.get("gateway") == address and r.get("dev") == "gv-blue"}


def test_a_gateway_moves(lab):
    """It gets another address: MOBIKE tells the GCKS, and the member registers
    as what it is now."""
    sr, site = lab["sr"], lab.site("blue1")
    prefix = site.lan_prefix("blue")
    home = site.gateway, site.router
    member_id = lab.registered("blue")["blue1"]["memberId"]
    with another_uplink(lab):
        for (old, _), (new, router) in ((home, (OTHER, ROUTER)),
                                        ((OTHER, ROUTER), home)):
            since = sr.log_size("charon")
            move(lab["blue1"], old, new, router)
            sr.wait_for_log("charon", f"moves from {old} to {new}", since)
            wait_for(lambda n=new: lab.registered("blue")["blue1"]["gateway"]
                     == n, "the S/R's bgpd to know it")
            for name in ("blue2", "dual"):
                wait_for(lambda n=name, a=new: prefix in routes_via(lab, n, a),
                         f"{name} to send to {new}", 60)
            assert lab.registered("blue")["blue1"]["memberId"] == member_id
            lab.wait_until_up()
            everybody_reaches(lab, "blue1", "blue")
    wait_for(lambda: installed_exactly(lab, "blue1"), "nothing to be left", 20)


@pytest.fixture
def clock():
    """Sets the guest's clock by so many seconds; at the end it is right."""
    if "lab_exchange=" not in pathlib.Path("/proc/cmdline").read_text():
        pytest.skip("the clock is the machine's own")
    jumped = 0

    def jump(seconds):
        nonlocal jumped
        time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)
        jumped += seconds
    yield jump
    jump(-jumped)


DAY = 86400


def test_the_clock_jumps(lab, clock):
    """All hosts' at once, as they have one kernel: forward by more than any
    key lives, and back."""
    sr, members = lab["sr"], lab.registered("blue")
    registrations = counters(sr, "blue")["registrations"]
    since = {h.name: h.log_size("charon") for h in lab.hosts}
    floods = [Flood(lab.far(lab.site("blue1"), "blue"), "10.2.0.10"),
              Flood(lab.far(lab.site("blue2"), "blue"), "10.5.0.10")]
    for seconds in (DAY // 2, -DAY // 2):
        before = epoch(sr, "blue")
        clock(seconds)
        assert epoch(sr, "blue") == before
        # Its number is of the time, but always a higher one.
        ctl(sr, "rekey", "blue")
        number = epoch(sr, "blue")
        assert number > before
        for name in ("blue1", "blue2", "dual"):
            wait_for(lambda n=name, e=number: epoch(lab[n], "blue") == e,
                     f"{name} to have the next epoch")
    for flood in floods:
        sent, lost = flood.end()
        assert sent > 20 and lost == 0
    assert counters(sr, "blue")["registrations"] == registrations
    assert {n: m["senderId"] for n, m in lab.registered("blue").items()} == \
        {n: m["senderId"] for n, m in members.items()}
    for name, size in since.items():
        assert "expired" not in lab[name].log("charon", size)
