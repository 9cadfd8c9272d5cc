# SPDX-License-Identifier: GPL-2.0-or-later
"""encap = ipip6: gateways and S/R have IPv6 addresses, the backbone no IPv4."""

import re
import socket
import struct

import pytest

from kept import closed_at_the_end
from lab import Flood, wait_for
from sites import (SR_ADDRESS6, Network, Site, build, member_swanctl, section,
                   sr_swanctl)
from test_management import ctl, ctl_json
from test_restart import start_charon

POLICY = ("encap = ipip6", f"address = {SR_ADDRESS6}", "lifetime = 60s",
          "atd = 1s", "dtd = 3s")
# On a path of 1500 octets: IPv6 header 40, ESP 8 + 8, trailer 2, ICV 16.
MTU = 1426
# IPv4 and IPv6 in IPv6, in and out, and in what may be behind extension headers.
POLICIES = 7
INNER6 = "fd00:{}::/64"


def give_ipv6_lan(lab, site):
    """A /64 beside the LAN's IPv4 prefix, announced to the group."""
    host, far = lab[site.name], lab.far(site, "blue")
    host.ip(f"addr add fd00:{site.number}::1/64 dev lan-blue nodad")
    host.sysctl(ipv6__conf__all__forwarding=1)
    far.ip(f"addr add fd00:{site.number}::10/64 dev eth0 nodad",
           f"route add default via fd00:{site.number}::1")
    vrf = " vrf blue" if site.vrfs else ""
    host.configure(f"router bgp {site.asn}{vrf}", "address-family ipv6 unicast",
                   f"network {INNER6.format(site.number)}")


@pytest.fixture(scope="module")
def lab(request):
    """A site with a VRF and one without."""
    lab = build(Network(
        groups={"blue": 100}, policy={"blue": POLICY}, ipv6=True,
        sites=[Site("one", {"blue": "10.1.0"}),
               Site("two", {"blue": "10.2.0"}, vrfs=False)]))
    with closed_at_the_end(request, lab, "ipv6-underlay"):
        lab.start()
        for site in lab.network.sites:
            give_ipv6_lan(lab, site)
        lab.wait_until_up()
        yield lab


def kernel(host, family):
    """The next hops of the routes over the group's device."""
    vrf = " vrf blue" if host.name == "one" else ""
    return {r["dst"]: r.get("gateway") or r["via"]["host"]
            for r in host.ip_json(f"{family} route show{vrf}")
            if r.get("dev") == "gv-blue" and r.keys() & {"gateway", "via"}}


def test_gateways_are_the_next_hops_of_both_families(lab):
    one, two = lab.network.sites
    for site, other in ((one, two), (two, one)):
        wait_for(lambda s=site, o=other: kernel(lab[s.name], "-4") == {
            o.lan_prefix("blue"): o.gateway}, "the IPv4 route")
        wait_for(lambda s=site, o=other: kernel(lab[s.name], "-6") == {
            INNER6.format(o.number): o.gateway}, "the IPv6 route")
    assert {m["gateway"] for m in lab.registered("blue").values()} == {
        one.gateway, two.gateway}
    for name, site in (("one", two), ("two", one)):
        wait_for(lambda n=name, s=site: [m["gateway"] for m in lab[n].bgp_json(
            "show bgp group-vpn blue members")["members"]] == [s.gateway],
            f"the other member at {name}")
    # No policy for each peer.
    assert len(lab["one"].policies()) == POLICIES


def test_both_families_cross_as_esp(lab):
    one, two = lab.network.sites
    capture = lab.capture(lab["b1"], "b2", "ip or ip6")
    lab.is_reached(one, "blue", two.end_host_address("blue"))
    lab.is_reached(one, "blue", "fd00:2::10", 1)
    lab.is_reached(one, "blue", "fd00:2::10", size=1300)
    assert lab.transfer("blue", two, one, 1 << 18) == 1 << 18
    # tcpdump does not keep up with all of a transfer.
    wait_for(lambda: capture.count("ip6 proto 50") >= 20, "ESP")
    capture.stop()
    assert capture.count("ip") == 0
    assert capture.count("ip6 proto 4 or ip6 proto 41 or ip6 proto 44") == 0
    assert capture.count("icmp6 and (ip6[40] == 128 or ip6[40] == 129)") == 0
    sizes = [len(frame) - 14 for frame in capture.frames()]
    assert 1500 - 16 < max(sizes) <= 1500


def extended(headers, last):
    """What brings a kernel that follows few headers from its way to the last:
    an atomic fragment, and destination options that are padding."""
    lengths = {44: b"\0" + bytes(6), 60: b"\0\x01\x04" + bytes(4),
               43: bytes(7)}
    return b"".join(bytes([following]) + lengths[header] for header, following
                    in zip(headers, (*headers[1:], last)))


@pytest.mark.parametrize("headers", ((), (44, 60), (44, 43), (60,) * 16,
                                     (43,) * 16), ids=str)
def test_clear_packets_are_dropped(lab, headers):
    """IPv4 and IPv6 in IPv6 that are not ESP, by the policies: whatever headers
    are before them."""
    host, far = lab["one"], lab.far(lab.site("one"), "blue")
    icmp6 = struct.pack("!IHBB16s16s", 6 << 28, 8, 58, 64,
                        *(socket.inet_pton(socket.AF_INET6, a) for a in
                          ("fd00:2::10", "fd00:1::10"))) + b"\x80" + bytes(7)
    ipv4 = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, 17, 0x66bb,
                       bytes([10, 2, 0, 10]), bytes([10, 1, 0, 10])) + bytes(8)
    capture = lab.capture(far, "eth0", "icmp6[0] == 128 or udp")
    before = host.xfrm_counters()
    for last, packet in ((41, icmp6), (4, ipv4)):
        with lab["b1"].socket(socket.AF_INET6, socket.SOCK_RAW,
                              (*headers, last)[0]) as sender:
            sender.sendto(extended(headers, last) + packet,
                          (lab.site("one").gateway, 0))
    wait_for(lambda: host.xfrm_counters()["XfrmInTmplMismatch"] +
             host.xfrm_counters()["XfrmInNoStates"] >=
             before["XfrmInTmplMismatch"] + before["XfrmInNoStates"] + 2,
             "both to be dropped and counted")
    capture.stop()
    assert capture.count() == 0


def test_own_packets_do_not_leave_in_clear(lab):
    """To a gateway without SAs; the policies are those of both protocols."""
    host, far = lab["one"], lab.far(lab.site("one"), "blue")
    capture = lab.capture(lab["b1"], "to-one", "ip6 proto 4 or ip6 proto 41")
    nobody = "2001:db8:1:9::2 dev gv-blue onlink vrf blue"
    host.ip(f"route add 10.77.0.0/24 via inet6 {nobody}",
            f"route add fd77::/64 via {nobody}")
    try:
        assert far.ping("10.77.0.10", count=1, wait=1) == 0
        assert far.ping("fd77::10", count=1, wait=1) == 0
    finally:
        host.ip("route del 10.77.0.0/24 vrf blue", "route del fd77::/64 vrf blue")
    capture.stop()
    assert capture.count() == 0


def test_path_mtu(lab):
    """What fits is told, be the path narrower than the first link or not."""
    one, two = lab.network.sites
    far, address = lab.far(one, "blue"), two.end_host_address("blue")

    def told(target, size):
        out = far.run("ping", "-n", "-c", "2", "-W", "1", "-M", "do", "-s",
                      size, target, check=False)
        return int(re.search(r"mtu\s*[=:]\s*(\d+)", out).group(1))
    assert lab["one"].ip_json("link show dev gv-blue")[0]["mtu"] == MTU
    assert wait_for(lambda: told(address, 1472), "a packet too big") == MTU
    assert wait_for(lambda: told("fd00:2::10", 1452), "a packet too big") == MTU
    lab.is_reached(one, "blue", address, size=MTU - 28, options=("-M", "do"))
    lab["b1"].ip("link set dev b2 mtu 1400")
    try:
        wait_for(lambda: told(address, MTU - 28) == MTU - 100,
                 "the backbone's MTU to be known")
        lab.is_reached(one, "blue", address, size=MTU - 128,
                       options=("-M", "do"))
        assert lab.transfer("blue", one, two, 1 << 18) == 1 << 18
    finally:
        lab["b1"].ip("link set dev b2 mtu 1500")


def spis(host):
    return {s["spi"] for s in host.states()}


def test_rekey_loses_nothing(lab):
    one, two = lab.network.sites
    before = spis(lab["one"])
    flood = Flood(lab.far(one, "blue"), two.end_host_address("blue"))
    ctl(lab["sr"], "rekey", "blue")
    wait_for(lambda: not before & spis(lab["one"]), "the new epoch alone")
    assert flood.end(50)[1] == 0


@pytest.mark.long
@pytest.mark.parametrize("name", ("one", "sr"))
def test_charon_restarts(lab, name):
    """A member's device is made anew, an S/R takes its members back."""
    one, two = lab.network.sites
    lab[name].charon.kill()
    start_charon(lab[name])
    wait_for(lambda: set(lab.registered("blue")) == {"one", "two"},
             "both to be registered", 120)
    lab.wait_until_up()
    lab.is_reached(one, "blue", two.end_host_address("blue"), 1)
    assert len(lab["one"].policies()) == POLICIES


def test_group_of_the_other_family_is_refused(lab):
    """On both sides with a word on why."""
    extra = section("four", "id = 200", "role = gcks",
                    f"members = {lab.site('two').identity}")
    member = section("four", "id = 200", "role = member", "gcks = sr")
    since = {name: lab[name].log_size("charon") for name in ("sr", "two")}
    try:
        lab.reconfigure("sr", sr_swanctl(lab.network).rstrip()
                        .removesuffix("}") + extra + "}\n")
        lab.reconfigure("two", member_swanctl(
            lab.site("two"), lab.network).rstrip().removesuffix("}")
            + member + "}\n")
        line = lab["sr"].wait_for_log("charon", "the group's are IPv4",
                                      since["sr"])
        assert lab.site("two").gateway in line
        lab["two"].wait_for_log("charon", "REGISTRATION_FAILED", since["two"])
    finally:
        lab.restore("two")
        lab.restore("sr")
    lab.wait_until_up()


@pytest.mark.long
def test_members_of_the_family_before_are_removed(lab):
    """When the encapsulation changes, with a word on why."""
    since = {name: lab[name].log_size("charon") for name in ("sr", "one")}
    text = sr_swanctl(lab.network)
    assert text.count("encap = ipip6") == text.count(f"address = {SR_ADDRESS6}")
    try:
        lab.reconfigure("sr", text.replace("encap = ipip6", "")
                        .replace(f"address = {SR_ADDRESS6}", ""))
        lab["sr"].wait_for_log("charon", "the group's gateways are IPv4 now",
                               since["sr"])
        lab["one"].wait_for_log("charon", "REGISTRATION_FAILED", since["one"])
        assert "the group's are IPv4" in lab["sr"].log("charon", since["sr"])
        wait_for(lambda: not lab.registered("blue"), "both to be removed")
    finally:
        lab.restore("sr")
    lab.wait_until_up()


@pytest.mark.long
def test_channel(lab):
    """BGP over IPv6 passes in ESP, too; from here on it does."""
    for name, site in (("sr", None), ("one", lab.site("one")),
                       ("two", lab.site("two"))):
        if site:
            site.options["blue"] = ("channel = yes",)
        else:
            lab.network.policy["blue"] = (*POLICY, "channel = yes")
        lab.restore(name)

    def sessions():
        peers = lab["sr"].bgp_json("show bgp ipv6 vpn summary")["peers"]
        return all(peers[s.gateway]["state"] == "Established"
                   for s in lab.network.sites)

    def protected():
        reflector = [s for s in lab["sr"].states() if SR_ADDRESS6 == s["dst"]]
        return {s["src"] for s in reflector} == {
            s.gateway for s in lab.network.sites}
    wait_for(protected, "SAs of every member with the S/R", 120)
    wait_for(sessions, "the sessions", 120)
    capture = lab.capture(lab["b1"], "to-sr", "ip6")
    lab["one"].configure("router bgp 65001 vrf blue",
                         "address-family ipv4 unicast", "network 10.1.0.0/25",
                         "exit-address-family", "no bgp network import-check")
    wait_for(lambda: "10.1.0.0/25" in lab.routes(lab.site("two"), "blue"),
             "another route, by the channel")
    capture.stop()
    assert capture.count("tcp port 179") == 0
    assert capture.count("ip6 proto 50") > 0


def test_list_groups_tells_the_encapsulation(lab):
    shown = ctl_json(lab["one"], "list-groups", "blue")[0]
    assert shown["encap"] == "ipip6"
    assert shown["gateway"] == lab.site("one").gateway
