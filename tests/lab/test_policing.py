# SPDX-License-Identifier: GPL-2.0-or-later
"""Neighbours that claim what is not theirs, and attributes that are broken.

A Speaker takes the place of a bgpd whose charon stays registered.  Whatever it
says: it is counted by its reason, nobody else sees it, the session stays up.
"""

import contextlib
import ipaddress
import re
import struct
import subprocess

import pytest

from bgp_speaker import (DESCRIPTOR, DESCRIPTOR_PREFIX, MEMBER, MEMBER_PREFIX,
                         ROUTES, Speaker, group_attribute, rd, tlv, update,
                         vpnv6_nlri)
from lab import wait_for
from sites import SR_ADDRESS, SR_AS
from test_explain import explain
from test_route_epoch import asked_of_charon, derived, hmac_sha512_256

SEALED = "2001:db8::bad"
# Between two looks at what takes milliseconds, many times.
SOON = 0.02


@contextlib.contextmanager
def in_place_of_bgpd(host, speaker):
    host.bgpd.stop()
    try:
        with speaker() as session:
            yield session
            assert not session.closed, "the neighbour closed the session"
            assert not [kind for kind, _ in session.received if kind == 3]
    finally:
        host.bgpd.start()
        host.load_frr()


def malformed(kind, group_id, member_id, sender_id, gateway):
    """(counter, value) for a fault at each place of the attribute."""
    def value(**changes):
        arguments = dict(kind=kind, group_id=group_id, member_id=member_id,
                         sender_id=sender_id, gateway=gateway)
        return group_attribute(**(arguments | changes))
    good = value()
    address = bytes(map(int, gateway.split(".")))
    header = 18
    for length in (0, 1, header - 1, header, header + 2, header + 15):
        yield "truncated", good[:length]
    # A TLV that says it is longer than what is there.
    yield "truncated", value(tlvs=struct.pack("!BH", 1, 400) + address)
    yield "truncated", value(tlvs=tlv(1, address) + b"\x09")
    for version in (0, 2, 255):
        yield "version", value(version=version)
    for wrong in (0, 4, 255):
        yield "kind", value(kind=wrong)
    yield "id", value(group_id=0)
    yield "tlv", value(tlvs=b"")
    yield "tlv", value(tlvs=tlv(1, address) * 2)
    yield "tlv", value(tlvs=tlv(1, address[:3]))
    if kind == ROUTES:
        yield "tlv", value(tlvs=tlv(1, address) + tlv(2, b"x"))
    yield from misplaced(kind, value, tlv(1, address))


def misplaced(kind, value, gateway):
    """What has its form, but not where it stands."""
    descriptor = kind == DESCRIPTOR
    yield "id", value(member_id=5 if descriptor else 0)
    yield "id", value(sender_id=5 if descriptor else 0)
    sealed, rekey = tlv(2, b""), tlv(3, b"x")
    part = bytes((0, 2)) + bytes(8)
    for tlvs in (
            tlv(1, bytes(4)), tlv(1, bytes(16)),  # a gateway of all zeros
            gateway + tlv(99, bytes(3072)),  # longer than a value may be
            gateway + tlv(3, b""), gateway + tlv(3, bytes(3020)),
            gateway + tlv(4, bytes(16)),  # a prefix, but nothing is sealed
            gateway + sealed + tlv(4, bytes(15)),
            gateway + tlv(5, bytes(40)),
            gateway + sealed + tlv(5, bytes(16)),
            gateway + tlv(6, part),  # a part of nothing
            gateway + rekey + tlv(6, part[:-1]),
            *(gateway + rekey + tlv(6, bytes(numbers) + bytes(8))
              for numbers in ((0, 0), (0, 1), (2, 2), (9, 2)))):
        yield "tlv", value(tlvs=tlvs)
    yield "tlv", value(tlvs=gateway + (sealed if descriptor else rekey))


def route_epoch(lab, name):
    group = lab[name].bgp_json("show bgp group-vpn")["groups"]["blue"]
    return group["routeEpoch"]


class Scene:
    """What a test of one direction says, and where it is counted."""

    def __init__(self, lab, session, counted_at, asn, next_hop):
        self.lab = lab
        self.session = session
        self.counted_at = counted_at
        self.asn = asn
        self.next_hop = next_hop

    def counters(self):
        groups = self.lab[self.counted_at].bgp_json("show bgp group-vpn")
        result = dict(groups["dropped"])
        for group in groups["groups"].values():
            for reason, number in group.get("dropped", {}).items():
                result[reason] += number
        return result

    def announce(self, group_id, distinguisher, prefixes, value, **options):
        self.session.send(update(self.asn, group_id,
                                 [vpnv6_nlri(distinguisher, prefix)
                                  for prefix in prefixes],
                                 value, self.next_hop, **options))

    def expect_drop(self, reason, group_id, distinguisher, prefix, value,
                    **options):
        before = self.counters()
        self.announce(group_id, distinguisher, [prefix], value, **options)
        wait_for(lambda: self.counters()[reason] > before[reason],
                 f"a drop to be counted as {reason} for "
                 f"{value and value.hex()}, "
                 f"before: {before}", 60, SOON)


@pytest.fixture
def at_reflector(lab):
    """A speaker that is blue1 to the S/R, which stores what it says."""
    site = lab.site("blue1")
    stored = f"neighbor {site.gateway} soft-reconfiguration inbound"
    router = (f"router bgp {SR_AS}", "address-family ipv6 vpn")
    lab["sr"].configure(*router, stored)
    try:
        with in_place_of_bgpd(lab["blue1"], lambda: Speaker.connect(
                lab["blue1"], site.gateway, SR_ADDRESS, site.asn)) as session:
            yield Scene(lab, session, "sr", site.asn, site.gateway)
    finally:
        lab["sr"].configure(*router, f"no {stored}")


def test_reflector_polices_what_members_claim(lab, at_reflector):
    blue = lab.registered("blue")
    own, other = blue["blue1"], blue["blue2"]
    red = lab.registered("red")["red1"]

    def claim(reason, kind=ROUTES, group=100, member=own["memberId"],
              sender=own["senderId"], gateway=own["gateway"],
              distinguisher=None, prefix=SEALED):
        at_reflector.expect_drop(
            reason, group, distinguisher or rd(member, group), prefix,
            group_attribute(kind, group, member, sender, gateway))
    claim("gateway", member=other["memberId"], sender=other["senderId"])
    claim("gateway", member=other["memberId"], sender=other["senderId"],
          gateway=other["gateway"])
    claim("gateway", gateway=other["gateway"])
    claim("gateway", kind=MEMBER, gateway=other["gateway"], prefix=MEMBER_PREFIX)
    claim("senderId", sender=own["senderId"] + 100)
    claim("notRegistered", member=999)
    claim("gateway", group=200, member=red["memberId"], sender=red["senderId"])
    claim("unknownGroup", group=77)
    claim("routeDistinguisher", distinguisher=rd(other["memberId"], 100))
    claim("routeDistinguisher", distinguisher=rd(own["memberId"], 200))
    claim("descriptor", kind=DESCRIPTOR, member=0, sender=0,
          prefix=DESCRIPTOR_PREFIX)
    for host in ("blue2", "dual", "red1"):
        assert SEALED not in lab[host].bgp("show bgp ipv6 vpn")


def test_reflector_wants_the_attribute_within_its_groups(lab, at_reflector):
    """Without it a path would take the place of a member's, or of the
    descriptor, and nobody could tell."""
    other = lab.registered("blue")["blue2"]
    for distinguisher, prefix in (
            (rd(other["memberId"], 100), MEMBER_PREFIX),
            (rd(other["memberId"], 100), SEALED),
            (rd(999, 100), SEALED),
            (rd(0, 100), DESCRIPTOR_PREFIX),
            (rd(0, 200), SEALED)):
        at_reflector.expect_drop("routeDistinguisher", 100, distinguisher,
                                 prefix, None)
    # What is no group's stays none of our business.
    at_reflector.session.send(update(
        at_reflector.asn, 7, [vpnv6_nlri(rd(7, 7), "2001:db8:77::1")], None,
        at_reflector.next_hop))
    wait_for(lambda: "2001:db8:77::1" in lab["red1"].bgp("show bgp ipv6 vpn"),
             "an ordinary VPN route to be at another neighbour")
    assert SEALED not in lab["red1"].bgp("show bgp ipv6 vpn")
    assert lab.site("blue2").lan_prefix("blue") in lab.routes(
        lab.site("dual"), "blue")


def test_reflector_withdraws_what_becomes_malformed(lab, at_reflector):
    """RFC 7606: what is malformed takes the route away that was there."""
    own = lab.registered("blue")["blue1"]
    who = (100, own["memberId"], own["senderId"], own["gateway"])
    distinguisher = rd(own["memberId"], 100)
    good = group_attribute(ROUTES, *who)
    faults = [(*fault, 0xc0) for fault in malformed(ROUTES, *who)]
    # bgpd passes over what is not transitive: as if it were not there.
    faults.append(("routeDistinguisher", good, 0x80))
    routes = [f"{SEALED}:{n}" for n in range(1000, 1001 + len(faults))]

    def held(name):
        return set(re.findall(f"({SEALED}:[0-9]+)/128",
                              lab[name].bgp("show bgp ipv6 vpn")))
    # PARTIAL is set by whoever passes it on without knowing it.
    at_reflector.announce(100, distinguisher, routes, good, flags=0xe0)
    wait_for(lambda: held("blue2") == set(routes), "good routes to be at blue2")
    for route, (reason, value, flags) in zip(routes, faults):
        at_reflector.expect_drop(reason, 100, distinguisher, route, value,
                                 flags=flags)
        wait_for(lambda r=route: r not in held("sr"),
                 f"the S/R to withdraw the route that is now {reason} "
                 f"({value.hex()})", 60, SOON)
    wait_for(lambda: held("blue2") == {routes[-1]},
             "all to be withdrawn at blue2, but the one that stayed good")


@pytest.fixture
def settled(lab):
    """Wanted before a speaker is: the route epoch will not change."""
    lab.wait_until_settled("blue")


def test_members_check_what_is_reflected(lab, settled, at_reflector):
    """What the registration allows passes the S/R; a wrong MAC does not pass
    a member, and is not a route there."""
    own = lab.registered("blue")["blue1"]
    epoch = route_epoch(lab, "blue2")
    for reason, number in (("mac", epoch), ("routeEpoch", epoch + 1)):
        before = lab.drops("blue2", "blue")[reason]
        at_reflector.session.send(update(
            at_reflector.asn, 100,
            [vpnv6_nlri(rd(own["memberId"], 100), SEALED)],
            group_attribute(ROUTES, 100, own["memberId"], own["senderId"],
                            own["gateway"], number), own["gateway"]))
        wait_for(lambda r=reason, b=before: lab.drops("blue2", "blue")[r] > b,
                 f"blue2 to count a drop as {reason}")
    assert SEALED in lab["blue2"].bgp("show bgp ipv6 vpn")
    assert SEALED not in lab["red1"].bgp("show bgp ipv6 vpn")


@pytest.fixture
def at_member(lab):
    """A speaker that is the S/R to dual."""
    site = lab.site("dual")
    members = lab.registered("blue")
    with in_place_of_bgpd(lab["sr"], lambda: Speaker.accept(
            lab["sr"], SR_ADDRESS, site.gateway, SR_AS)) as session:
        scene = Scene(lab, session, "dual", SR_AS, SR_ADDRESS)
        scene.members = members
        yield scene


def seal(secret, route_epoch, member_id, prefixes):
    """The NLRIs that IPv4 prefixes seal to (doc/protocol.md, "Sealed NLRI")."""
    key = derived(secret, b"nlri" + struct.pack("!HI", member_id, route_epoch))
    blocks = [struct.pack("!BB", 4, p.prefixlen) + p.network_address.packed
              + bytes(10) for p in map(ipaddress.ip_network, prefixes)]
    todo = range(len(blocks))
    while todo:
        out = subprocess.run(
            ["openssl", "enc", "-aes-256-ecb", "-nopad", "-K", key.hex()],
            input=b"".join(blocks[i] for i in todo), capture_output=True,
            check=True).stdout
        for at, i in enumerate(todo):
            blocks[i] = out[16 * at:16 * at + 16]
        todo = [i for i in todo if blocks[i][0] in (0x00, 0xfe, 0xff)]
    return [str(ipaddress.ip_address(block)) for block in blocks]


def test_member_withdraws_what_becomes_malformed(lab, at_member):
    """RFC 7606 at a member, for each kind of route."""
    host, site = lab["dual"], lab.site("dual")
    other = at_member.members["blue2"]
    number, secret = asked_of_charon(host)
    who = {DESCRIPTOR: (100, 0, 0, SR_ADDRESS)} | dict.fromkeys(
        (MEMBER, ROUTES), (100, other["memberId"], other["senderId"],
                           other["gateway"]))
    where = {DESCRIPTOR: (rd(0, 100), DESCRIPTOR_PREFIX),
             MEMBER: (rd(other["memberId"], 100), MEMBER_PREFIX)}

    def good(kind):
        value = group_attribute(kind, *who[kind], route_epoch=number, mac=b"")
        return value + hmac_sha512_256(derived(secret, b"mac"), value)[:16]

    def announce(kind):
        distinguisher, prefix = where[kind]
        at_member.announce(100, distinguisher, [prefix], good(kind))

    def gone_from(prefix):
        return prefix not in lab.routes(site, "blue")
    for kind in (DESCRIPTOR, MEMBER):
        announce(kind)
    faults = list(malformed(ROUTES, *who[ROUTES]))
    prefixes = [f"10.55.{n}.0/24" for n in range(len(faults) + 1)]
    sealed = seal(secret, number, other["memberId"], prefixes)
    distinguisher = rd(other["memberId"], 100)
    at_member.announce(100, distinguisher, sealed, good(ROUTES))
    wait_for(lambda: lab.routes(site, "blue") == set(prefixes),
             "good routes to be in the kernel")
    for prefix, nlri, (reason, value) in zip(prefixes, sealed, faults):
        at_member.expect_drop(reason, 100, distinguisher, nlri, value)
        wait_for(lambda p=prefix: gone_from(p), "the route to be gone that is "
                 f"now {reason} ({value.hex()})", 60, SOON)
    assert lab.routes(site, "blue") == {prefixes[-1]}

    # Without the member's own route its others are not used. One fault of each
    # kind: what one NLRI says takes time to come to all that depend on it.
    for reason, value in dict(malformed(MEMBER, *who[MEMBER])).items():
        at_member.expect_drop(reason, 100, *where[MEMBER], value)
        wait_for(lambda: gone_from(prefixes[-1]), f"the member that is now "
                 f"{reason} ({value.hex()}) not to be used", 60, SOON)
        announce(MEMBER)
        wait_for(lambda: not gone_from(prefixes[-1]), "it to be used again", 60,
                 SOON)

    target = prefixes[-1].replace("0/24", "1")
    for reason, value in malformed(DESCRIPTOR, *who[DESCRIPTOR]):
        at_member.expect_drop(reason, 100, *where[DESCRIPTOR], value)
        wait_for(lambda: "no valid descriptor" in explain(
            host, "blue", target).get("reason", ""),
            f"the descriptor to be gone that is now {reason} ({value.hex()})",
            60, SOON)
        announce(DESCRIPTOR)
        wait_for(lambda: "stopsAt" not in explain(host, "blue", target),
                 "it to be there again", 60, SOON)


def test_member_believes_no_forged_descriptor_or_member(lab, settled,
                                                        at_member):
    dual, gateway = lab["dual"], lab.site("blue2").gateway
    epoch, since = route_epoch(lab, "dual"), dual.log_size("bgpd")
    at_member.expect_drop("mac", 100, rd(0, 100), DESCRIPTOR_PREFIX,
                          group_attribute(DESCRIPTOR, 100, 0, 0, SR_ADDRESS,
                                          epoch))
    at_member.expect_drop("mac", 100, rd(9, 100), MEMBER_PREFIX,
                          group_attribute(MEMBER, 100, 9, 9, gateway, epoch))
    wait_for(lambda: not lab.routes(lab.site("dual"), "blue"),
             "dual to have no routes of the speaker, nor of before")
    # A line for the first of the kind in each group, which says of whom.
    other = dual.bgp_json("show bgp group-vpn")["groups"]["red"]["routeEpoch"]
    at_member.expect_drop("mac", 200, rd(8, 200), MEMBER_PREFIX,
                          group_attribute(MEMBER, 200, 8, 8, gateway, other))
    told = [line.split("group-vpn: ")[1] for line in
            dual.log("bgpd", since).splitlines() if "dropping" in line]
    failed = f"from {SR_ADDRESS}: group attribute: authentication failed"
    assert told == [f"group blue: dropping routes {failed}",
                    f"group red: dropping routes of member 8 {failed}"]
    dual.vtysh("clear bgp group-vpn blue counters")
    at_member.expect_drop("mac", 100, rd(9, 100), MEMBER_PREFIX,
                          group_attribute(MEMBER, 100, 9, 8, gateway, epoch))
    dual.wait_for_log("bgpd", f"group blue: dropping routes of member 9 "
                      f"{failed}", since)
