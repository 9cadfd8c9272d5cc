# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is told of a group, and key servers that a site finds by that."""

import json
import re

import pytest

from bgp_speaker import (DESCRIPTOR, DESCRIPTOR_PREFIX, Speaker,
                         group_attribute, rd, update, vpnv6_nlri)
from lab import wait_for
from sites import SR_ADDRESS, SR_AS, member_frr, member_swanctl, sr_swanctl
from test_static import run_with

# Another one of the S/R, and some that nobody answers at.
OTHER_ADDRESS = "192.0.2.129"
NOBODY = [f"203.0.113.{n}" for n in range(130, 138)]


def announcing(lab, address=SR_ADDRESS, discovery="open"):
    """The S/R's swanctl.conf, blue being announced like that."""
    text = sr_swanctl(lab.network).replace(
        f"local_addrs = {SR_ADDRESS}",
        f"local_addrs = {SR_ADDRESS}, {OTHER_ADDRESS}")
    head, tail = text.split("    blue {\n", 1)
    return (f"{head}    blue {{\n        discovery = {discovery}\n"
            f"        address = {address}\n{tail}")


def without_address(lab, name):
    """A site's swanctl.conf, but for where the key server is."""
    return member_swanctl(lab.site(name), lab.network).replace(
        f"remote_addrs = {SR_ADDRESS}\n", "\n")


def start_with(lab, name, text):
    """A site's charon anew, with this swanctl.conf, when it is no member."""
    host = lab[name]
    host.charon.stop()
    wait_for(lambda: name not in lab.registered("blue"), f"{name} to leave")
    host.write("/etc/swanctl/swanctl.conf", text)
    host.charon.start()
    host.load_swanctl()


def group_of(lab, name):
    """What charon tells of blue at a site."""
    return json.loads(lab[name].vtysh("show group-vpn groups blue json"))[0]


def heard(lab, name):
    """The VPN routes of a site, its own included: prefixes by RD."""
    found = {}
    for line in lab[name].bgp("show bgp ipv6 vpn").splitlines():
        if line.startswith("Route Distinguisher: "):
            prefixes = found.setdefault(line.split()[-1], set())
        elif match := re.match(r"\*.*?([0-9a-f:]+/\d+)", line):
            prefixes.add(match[1])
    return found


def test_open_discovery_tells_everybody_but_no_more(lab):
    def blue_at_red1():
        return {distinguisher: prefixes for distinguisher, prefixes in
                heard(lab, "red1").items() if not distinguisher.endswith(":200")}
    wait_for(lambda: heard(lab, "outsider") == blue_at_red1() == {},
             "blue to be heard of by members alone")
    assert heard(lab, "red1")
    lab.reconfigure("sr", announcing(lab))
    descriptor = {"0:100": {f"{DESCRIPTOR_PREFIX}/128"}}
    # Who is no member, and who is one of another group only.
    wait_for(lambda: heard(lab, "outsider") == descriptor,
             "the descriptor to be all that an outsider hears")
    wait_for(lambda: blue_at_red1() == descriptor,
             "the descriptor to be all that a member of red hears of blue")
    shown = lab["sr"].bgp_json("show bgp group-vpn")["groups"]
    assert shown["blue"]["discovery"] == "open"
    assert shown["red"]["discovery"] == "registered"
    # A new session is told no more, either.
    lab["outsider"].vtysh(f"clear bgp {SR_ADDRESS}")
    wait_for(lambda: heard(lab, "outsider") == descriptor,
             "the descriptor to be heard again, and no more")
    lab.restore("sr")
    wait_for(lambda: heard(lab, "outsider") == blue_at_red1() == {},
             "the descriptor to be withdrawn")
    assert heard(lab, "red1")


def test_a_new_site_finds_its_key_server(lab):
    """Credentials, an S/R as neighbour, and a group-ID."""
    blue1, sr = lab["blue1"], lab["sr"]
    sr.ip(f"addr add {OTHER_ADDRESS}/32 dev lo")
    lab["b1"].ip(f"route add {OTHER_ADDRESS} via {SR_ADDRESS}")
    lab["b2"].ip(f"route add {OTHER_ADDRESS} via 198.51.100.1")
    since = blue1.log_size("charon")
    start_with(lab, "blue1", without_address(lab, "blue1"))
    blue1.wait_for_log("charon", "connection 'sr' has no address, and bgpd "
                       "has heard no descriptor of group 100", since)
    wait_for(lambda: "no descriptor heard" in blue1.bgp("show bgp group-vpn"),
             "bgpd to say what is missing")
    lab.reconfigure("sr", announcing(lab))
    lab.wait_until_up()
    # It came in the middle of a change of keys.
    wait_for(lambda: lab.asked(lab.site("blue1"), "blue", "10.2.0.10") ==
             "blue2.blue", "blue1 to reach blue2")
    group = group_of(lab, "blue1")
    assert group["gcks-address"] == SR_ADDRESS
    assert group["discovered"] == [SR_ADDRESS]

    # The key server moves: nobody is disturbed by that, and who has to
    # register again goes there.
    lab.reconfigure("sr", announcing(lab, OTHER_ADDRESS))
    wait_for(lambda: group_of(lab, "blue1")["discovered"] == [OTHER_ADDRESS],
             "the other address to be heard")
    now = group_of(lab, "blue1")
    assert (now["state"], now["ike-sa"], now["gcks-address"]) == \
        ("registered", group["ike-sa"], SR_ADDRESS)
    lab.register_again("blue1")
    wait_for(lambda: (group_of(lab, "blue1")["state"],
                      group_of(lab, "blue1")["gcks-address"]) ==
             ("registered", OTHER_ADDRESS), "blue1 to register there")

    # Nothing is heard any more, but it knows where it was.
    sr.bgpd.stop()
    wait_for(lambda: "discovered" not in group_of(lab, "blue1"),
             "the descriptor to be lost")
    before = group_of(lab, "blue1")["ike-sa"]
    lab.register_again("blue1")
    wait_for(lambda: group_of(lab, "blue1").get("ike-sa", before) != before and
             group_of(lab, "blue1")["state"] == "registered",
             "blue1 to register where it was")
    sr.bgpd.start()
    sr.load_frr()

    start_with(lab, "blue1", member_swanctl(lab.site("blue1"), lab.network))
    lab.restore("sr")
    lab.wait_until_up()
    sr.ip(f"addr del {OTHER_ADDRESS}/32 dev lo")


def test_an_sr_that_is_to_be_a_member_finds_it(lab):
    """Of other groups it is one: what comes of this one before charon names it
    is refused, and asked for again."""
    blue1 = lab["blue1"]
    text = member_frr(lab.site("blue1"))
    line = " no bgp default ipv4-unicast\n"
    try:
        blue1.charon.stop()
        wait_for(lambda: "blue1" not in lab.registered("blue"),
                 "blue1 to leave")
        since = blue1.log_size("bgpd")
        run_with(blue1, text.replace(line, line + " group-vpn reflector\n", 1))
        lab.reconfigure("sr", announcing(lab))
        blue1.wait_for_log("bgpd", "unknown group", since)
        blue1.write("/etc/swanctl/swanctl.conf", without_address(lab, "blue1"))
        blue1.charon.start()
        blue1.load_swanctl()
        wait_for(lambda: group_of(lab, "blue1").get("discovered") ==
                 [SR_ADDRESS], "the key server to be found")
    finally:
        run_with(blue1, text)
        start_with(lab, "blue1", member_swanctl(lab.site("blue1"), lab.network))
        lab.restore("sr")
    lab.wait_until_up()


@pytest.mark.long
def test_a_key_server_that_is_found_has_an_identity(lab):
    """Not whoever has some credential is it."""
    blue1 = lab["blue1"]
    text = without_address(lab, "blue1")
    identity = "            id = sr.example.net\n"
    assert identity in text
    for other in ("", "            id = *.example.net\n"):
        since = blue1.log_size("charon")
        start_with(lab, "blue1", text.replace(identity, other))
        blue1.wait_for_log("charon", "its remote.id has to be the identity of "
                           "the key server", since)
    start_with(lab, "blue1", member_swanctl(lab.site("blue1"), lab.network))
    lab.wait_until_up()


class FalseWitness:
    """A neighbour of blue1 that says where blue's key server is."""

    def __init__(self, lab):
        self.lab = lab
        self.site = lab.site("outsider")
        self.session = None

    def claim(self, address):
        self.session.send(update(
            self.site.asn, 100, [vpnv6_nlri(rd(0, 100), DESCRIPTOR_PREFIX)],
            group_attribute(DESCRIPTOR, 100, 0, 0, address),
            self.site.gateway))

    def __enter__(self):
        self.lab["outsider"].bgpd.stop()
        self.lab["blue1"].configure(
            f"router bgp {self.lab.site('blue1').asn}",
            f"neighbor {self.site.gateway} remote-as {self.site.asn}",
            f"neighbor {self.site.gateway} ebgp-multihop",
            f"neighbor {self.site.gateway} passive",
            "address-family ipv6 vpn",
            f"neighbor {self.site.gateway} activate")
        self.session = Speaker.connect(
            self.lab["outsider"], self.site.gateway,
            self.lab.site("blue1").gateway, self.site.asn)
        return self

    def __exit__(self, *_):
        self.session.close()
        self.lab["blue1"].configure(
            f"router bgp {self.lab.site('blue1').asn}",
            f"no neighbor {self.site.gateway}")
        self.lab["outsider"].bgpd.start()
        self.lab["outsider"].load_frr()


@pytest.mark.long
def test_false_descriptors_change_little(lab):
    blue1, site = lab["blue1"], lab.site("blue1")
    lab.reconfigure("sr", announcing(lab))
    start_with(lab, "blue1", without_address(lab, "blue1"))
    lab.wait_until_up()
    attempts = lab.capture(lab["b1"], f"to-{site.name}",
                           f"udp port 500 and src {site.gateway} "
                           f"and not dst {SR_ADDRESS}")

    def tried():
        """How many IKE_SAs were begun elsewhere: their SPIs."""
        return len({frame[42:50] for frame in attempts.frames()})

    def ike_sa():
        group = group_of(lab, "blue1")
        return group["state"] == "registered" and group["ike-sa"]
    before = ike_sa()
    with FalseWitness(lab) as witness:
        # What is no host is no hint.
        for address in ("0.0.0.1", "127.0.0.1", "224.0.0.1", NOBODY[0]):
            witness.claim(address)
        wait_for(lambda: sorted(group_of(lab, "blue1")["discovered"]) ==
                 sorted([SR_ADDRESS, NOBODY[0]]), "both to be heard")
        # The registration goes on, and the next one is where it was.
        assert ike_sa() == before
        lab.register_again("blue1")
        wait_for(lambda: ike_sa() and ike_sa() != before, "blue1 to register")
        assert tried() == 0

        # The true one is silent; who has the word says something else each
        # time.  However often that is, attempts keep their distance.
        lab["sr"].charon.stop()
        lab["sr"].bgpd.stop()
        wait_for(lambda: SR_ADDRESS not in
                 group_of(lab, "blue1").get("discovered", ()),
                 "the true descriptor to be withdrawn")
        claims = 0

        def claim():
            nonlocal claims
            for _ in range(3):
                witness.claim(NOBODY[claims % len(NOBODY)])
                claims += 1
        wait_for(lambda: claim() or tried() == 2, "two of them to be tried",
                 360, 0.25)
        assert claims >= 60
        print(f"{claims} false descriptors made for {tried()} attempts")
        lab["sr"].bgpd.start()
        lab["sr"].load_frr()
        lab["sr"].charon.start()
        lab["sr"].load_swanctl()
        wait_for(lambda: claim() or ike_sa(), "blue1 to find its key server",
                 480, 0.25)
    start_with(lab, "blue1", member_swanctl(site, lab.network))
    lab.restore("sr")
    lab.wait_until_up()


def test_ordinary_l3vpn_is_not_touched(lab):
    """A VRF that has no group, on the sessions that groups are on."""
    prefix, target = "2001:db8:77::/48", "65001:7"
    sites = [lab.site(name) for name in ("blue1", "red1", "outsider")]
    for site in sites:
        lab[site.name].ip("link add l3vpn type vrf table 2000",
                          "link set dev l3vpn up",
                          *(["addr add 2001:db8:77::1/48 dev l3vpn nodad"]
                            if site.name == "blue1" else []))
        lab[site.name].configure(
            f"router bgp {site.asn} vrf l3vpn",
            f"bgp router-id {site.gateway}", "address-family ipv6 unicast",
            "redistribute connected", f"rd vpn export {site.asn}:7", f"rt vpn both {target}",
            "label vpn export 77", "export vpn", "import vpn")

    def path(name):
        shown = lab[name].bgp_json(f"show bgp ipv6 vpn {prefix}")
        [(distinguisher, routes)] = [
            (key, value) for key, value in shown.items()
            if isinstance(value, dict) and "paths" in value]
        [only] = routes["paths"]
        return (distinguisher, only["aspath"]["string"],
                only["extendedCommunity"]["string"], only.get("remoteLabel"))

    def since(name):
        """When it last changed: bgpd makes that of two clocks that do not begin
        their seconds together."""
        shown = lab[name].bgp_json(f"show bgp ipv6 vpn {prefix}")
        [routes] = [value for value in shown.values()
                    if isinstance(value, dict) and "paths" in value]
        return routes["paths"][0]["lastUpdate"]["epoch"]
    others = ("red1", "outsider")
    for name in others:
        wait_for(lambda n=name: path(n), f"the route at {name}")
        wait_for(lambda n=name: prefix in
                 lab[n].bgp("show bgp vrf l3vpn ipv6 unicast"),
                 f"it in {name}'s VRF")
    before = {name: path(name) for name in others}
    last = {name: since(name) for name in others}
    for distinguisher, as_path, target_there, *_ in before.values():
        assert (distinguisher, as_path) == \
            (f"{sites[0].asn}:7", f"{SR_AS} {sites[0].asn}")
        assert f"RT:{target}" in target_there
    # Groups come and go, and it stays as it was.
    lab.reconfigure("sr", announcing(lab))
    wait_for(lambda: "0:100" in heard(lab, "outsider"),
             "the descriptor at the outsider")
    log = lab["blue1"].log_size("bgpd")
    lab["blue1"].charon.stop()
    lab["blue1"].wait_for_log("bgpd", "group blue (100) down", log)
    wait_for(lambda: "blue1" not in lab.registered("blue"), "blue1 to leave")
    lab["blue1"].charon.start()
    lab["blue1"].load_swanctl()
    lab.restore("sr")
    lab.wait_until_up()
    assert {name: path(name) for name in others} == before
    assert all(abs(since(name) - last[name]) <= 1 for name in others)
    # It goes when its own site says so.
    for site in sites:
        lab[site.name].configure(f"no router bgp {site.asn} vrf l3vpn")
        lab[site.name].ip("link del l3vpn")
    for name in others:
        wait_for(lambda n=name: prefix not in
                 lab[n].bgp("show bgp ipv6 vpn"), f"it to be gone at {name}")
