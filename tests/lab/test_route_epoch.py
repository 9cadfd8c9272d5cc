# SPDX-License-Identifier: GPL-2.0-or-later
"""A new route secret when a member is evicted: no route is missing meanwhile,
and what the evicted one knows neither opens nor forges what comes."""

import hashlib
import hmac
import ipaddress
import re
import struct
import subprocess

import pytest

from bgp_speaker import ROUTES, Speaker, group_attribute, rd, update, vpnv6_nlri
from lab import Ping, wait_for
from sites import SR_ADDRESS, Network, Site
from test_management import ctl

GROUP = 100
ATD, DTD = 3, 7
FORGED = "2001:db8::bad"

# What charon tells whoever may connect: the GROUP message's route epoch and
# secret (doc/protocol.md, "Control socket").
ASK_CHARON = """
import socket, struct
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.settimeout(5)
s.connect("/run/charon.groupvpn.ctl")
for kind in (1, 2):  # HELLO, SYNC
    s.send(struct.pack("!BBHI", 1, kind, 0, 77))
while True:
    message = s.recv(4096)
    tlvs, at = {}, 8
    while at < len(message):
        kind, size = struct.unpack_from("!HH", message, at)
        tlvs[kind] = message[at + 4:at + 4 + size]
        at += 4 + size
    if message[1] == 10 and int.from_bytes(tlvs[1], "big") == 100:
        print(int.from_bytes(tlvs[11], "big"), tlvs[12].hex())
        break
"""


def asked_of_charon(host):
    number, secret = host.run("/usr/bin/python3", "-c", ASK_CHARON).split()
    return int(number), bytes.fromhex(secret)


def hmac_sha512_256(key, data):
    return hmac.new(key, data, lambda *a: hashlib.new("sha512_256", *a)).digest()


def derived(secret, info):
    prk = hmac_sha512_256(b"groupvpn 1" + struct.pack("!I", GROUP), secret)
    return hmac_sha512_256(prk, info + b"\1")


def opened(secret, route_epoch, member_id, nlri):
    """The prefix that an NLRI opens to with a route secret, None if to none."""
    key = derived(secret, b"nlri" + struct.pack("!HI", member_id, route_epoch))
    block = ipaddress.ip_address(nlri).packed
    while True:
        block = subprocess.run(
            ["openssl", "enc", "-d", "-aes-256-ecb", "-nopad", "-K", key.hex()],
            input=block, capture_output=True, check=True).stdout
        if block[0] not in (0x00, 0xfe, 0xff):
            break
    if block[0] != 4 or block[1] > 32 or any(block[6:]):
        return None
    return f"{ipaddress.ip_address(block[2:6])}/{block[1]}"


def route_epoch(host):
    return host.bgp_json("show bgp group-vpn")["groups"]["blue"]["routeEpoch"]


def sealed(host, member_id):
    """The NLRIs that a host has of a member, but for its member route."""
    text = host.bgp("show bgp ipv6 vpn")
    part = text.split(f"Route Distinguisher: {member_id}:{GROUP}\n")
    return {n for n in re.findall(r"([0-9a-f:]+)/128", part[1].split("Route D")[0])
            if not n.startswith("fd67:7670:6e00:")} if len(part) > 1 else set()


@pytest.fixture
def three(own_lab):
    lab = own_lab(Network(
        groups={"blue": GROUP},
        policy={"blue": (f"atd = {ATD}s", f"dtd = {DTD}s")},
        sites=[Site("one", {"blue": "10.1.0"}),
               Site("two", {"blue": "10.2.0"}, vrfs=False),
               Site("bad", {"blue": "10.3.0"})]))
    lab.start()
    lab.wait_until_up()
    return lab


class RouteMonitor:
    """ip monitor route: what happened to a prefix."""

    def __init__(self, host):
        self.process = host.popen("ip", "-o", "monitor", "route",
                                  stdout=subprocess.PIPE, text=True)

    def lines(self, prefix):
        self.process.terminate()
        return [line for line in self.process.communicate()[0].splitlines()
                if prefix in line]


def test_eviction_renews_the_route_secret(three):
    lab, sr = three, three["sr"]
    one, two, bad = (lab[name] for name in ("one", "two", "bad"))
    ids = {name: m["memberId"] for name, m in lab.registered("blue").items()}
    old, old_secret = asked_of_charon(bad)
    assert old == route_epoch(one) == route_epoch(two)
    before = sealed(one, ids["two"])
    assert {opened(old_secret, old, ids["two"], n) for n in before} == {
        "10.2.0.0/24"}
    drops = {h.name: lab.drops(h.name, "blue") for h in (one, two)}
    since = {h.name: h.log_size("bgpd") for h in (one, two)}
    monitors = {one: RouteMonitor(one), two: RouteMonitor(two)}
    ping = Ping(lab.far(lab.site("one"), "blue"), "10.2.0.10")

    ctl(sr, "evict", "blue", lab.site("bad").identity)
    # Both are there while it changes: the new ones before the old ones go.
    wait_for(lambda: before < sealed(one, ids["two"]),
             "two's route to be there in both route epochs", 60)
    for host in (one, two):
        host.wait_for_log("bgpd", f"routes of route epoch {old} are not taken",
                          since[host.name], 60)
    new = route_epoch(one)
    assert new > old and new == route_epoch(two)
    wait_for(lambda: not sealed(one, ids["two"]) & before,
             "the old route to be withdrawn")

    # Nothing was missing, and nothing dropped.
    assert ping.missing() == 0
    for host, prefix in ((one, "10.2.0.0/24"), (two, "10.1.0.0/24")):
        lines = monitors[host].lines(prefix)
        assert not lines, f"{host.name}: {lines}"
        assert lab.drops(host.name, "blue") == drops[host.name]
    assert "descriptor lost" not in one.log("bgpd", since["one"])
    for host in (one, two):
        lost = [line for line in host.log("bgpd", since[host.name]).splitlines()
                if "lost" in line]
        assert all(f"member {ids['bad']} lost" in line for line in lost), lost

    # What the evicted one knows opens nothing of what is there now.
    _, new_secret = asked_of_charon(two)
    assert new_secret != old_secret
    after = sealed(one, ids["two"])
    assert {opened(new_secret, new, ids["two"], n) for n in after} == {
        "10.2.0.0/24"}
    for number in (old, new):
        assert {opened(old_secret, number, ids["two"], n)
                for n in after} == {None}

    # Nor does it forge anything, not even from a place that the S/R believes.
    site = lab.site("two")
    member = lab.registered("blue")["two"]
    two.bgpd.stop()
    with Speaker.connect(two, site.gateway, SR_ADDRESS, site.asn) as session:
        for reason, number in (("routeEpoch", old), ("mac", new)):
            value = group_attribute(ROUTES, GROUP, member["memberId"],
                                    member["senderId"], site.gateway, number,
                                    mac=b"")
            value += hmac_sha512_256(derived(old_secret, b"mac"), value)[:16]
            count = lab.drops("one", "blue")[reason]
            session.send(update(
                site.asn, GROUP,
                [vpnv6_nlri(rd(member["memberId"], GROUP), FORGED)], value,
                site.gateway))
            wait_for(lambda r=reason, c=count: lab.drops("one", "blue")[r] > c,
                     f"the forged route to be dropped as {reason}")


def test_two_evictions_in_quick_succession(three):
    """The second change of the route secret waits for the end of the first."""
    lab, sr, one = three, three["sr"], three["one"]
    since = one.log_size("bgpd"), sr.log_size("charon")
    old = route_epoch(one)
    ping = Ping(lab.far(lab.site("one"), "blue"), "10.1.0.1")
    ctl(sr, "evict", "blue", lab.site("bad").identity)
    ctl(sr, "evict", "blue", lab.site("two").identity)
    sr.wait_for_log("charon", "another route epoch begins when", since[1])
    wait_for(lambda: len(set(re.findall(
        r"route epoch (\d+) follows", one.log("bgpd", since[0])))) == 2,
        "two changes of the route epoch", 60)
    assert route_epoch(one) > old
    assert ping.missing() == 0
    assert "descriptor lost" not in one.log("bgpd", since[0])
