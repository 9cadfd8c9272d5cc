# SPDX-License-Identifier: GPL-2.0-or-later
"""IPv6 inside, path attributes that travel sealed, and prefixes that several
members announce."""

import contextlib
import ipaddress

import pytest

from lab import wait_for

V6_LAN = "2001:db8:{}::/64"
V6_LONG = ("2001:db8:1:1::/65", "2001:db8:1:1:8000::/80",
           "2001:db8:1:1:8000::1/128")
V6_SHORT = ("::/0", "2001:db8:100::/40", "2001:db8:1:2::/64")


def unicast(host, family, prefix):
    """The paths of a prefix in the blue group's instance."""
    vrf = "vrf blue " if host.name != "blue2" else ""
    shown = host.bgp_json(f"show bgp {vrf}{family} unicast {prefix}")
    return shown.get("paths", [])


def kernel(host, family="-4"):
    """The kernel routes over the blue group's device: {prefix: gateways}."""
    vrf = "vrf blue" if host.name != "blue2" else ""
    routes = {}
    for route in host.ip_json(f"{family} route show {vrf}"):
        hops = route.get("nexthops", [route])
        gateways = {str(ipaddress.ip_address(h.get("gateway") or
                                             h["via"]["host"])) for h in hops
                    if h.get("dev") == "gv-blue" and h.keys() & {
                        "gateway", "via"}}
        if gateways:
            routes[str(ipaddress.ip_network(
                {"default": "::/0" if family == "-6" else "0.0.0.0/0"}
                .get(route["dst"], route["dst"])))] = gateways
    return routes


@contextlib.contextmanager
def configured(host, *commands, family="ipv4", globally=()):
    """In the address family of the blue group's instance, and back."""
    asn = host.bgp_json("show bgp summary")["ipv6Vpn"]["as"]
    router = f"router bgp {asn}" + (" vrf blue" if host.name != "blue2" else "")

    def undo(command):
        return command[3:] if command.startswith("no ") else f"no {command}"
    host.configure(*globally)
    host.configure(router, "no bgp network import-check",
                   f"address-family {family} unicast", *commands)
    try:
        yield
    finally:
        host.configure(router, f"address-family {family} unicast",
                       *map(undo, commands), "exit-address-family",
                       "bgp network import-check")
        host.configure(*(undo(c) for c in reversed(globally)
                         if c.startswith("route-map")))


@pytest.fixture
def v6_lans(lab):
    """IPv6 on the blue LANs of two sites, one with a VRF and one without."""
    hosts = {"blue1": 1, "blue2": 2}
    for name, number in hosts.items():
        lan = V6_LAN.format(number)[:-3]
        lab[name].sysctl(ipv6__conf__all__forwarding=1)
        lab[name].ip(f"addr add {lan}1/64 dev lan-blue nodad")
        far = lab.far(lab.site(name), "blue")
        far.ip(f"addr add {lan}10/64 dev eth0 nodad",
               f"route add default via {lan}1")
    yield
    for name, number in hosts.items():
        lan = V6_LAN.format(number)[:-3]
        lab[name].ip(f"addr del {lan}1/64 dev lan-blue")
        lab.far(lab.site(name), "blue").ip(
            f"route del default via {lan}1", f"addr del {lan}10/64 dev eth0")


def test_ipv6_prefixes_of_every_length(lab, v6_lans):
    blue1, blue2, dual = lab["blue1"], lab["blue2"], lab["dual"]
    gateway = {h: "::" + ipaddress.ip_address(
        lab.site(h.name).gateway).packed.hex(":", 2) for h in (blue1, blue2)}
    prefixes = {V6_LAN.format(1), *V6_LONG, *V6_SHORT}
    lab.wait_until_settled("blue")
    drops = lab.drops("dual", "blue")
    with configured(blue1, *(f"network {p}" for p in sorted(prefixes)),
                    family="ipv6"), \
            configured(blue2, f"network {V6_LAN.format(2)}", family="ipv6"):
        for host in (blue2, dual):
            wait_for(lambda h=host: prefixes <= set(kernel(h, "-6")),
                     f"blue1's IPv6 routes to be in {host.name}'s kernel")
            routes = kernel(host, "-6")
            for prefix in prefixes:
                assert routes[prefix] == {
                    str(ipaddress.ip_address(gateway[blue1]))}
        wait_for(lambda: V6_LAN.format(2) in kernel(blue1, "-6"),
                 "blue2's IPv6 route to be in blue1's kernel")
        # The other group's sites have none of it, the S/R nothing to read.
        assert not lab["red1"].run("ip", "-6", "route", "show", "vrf", "red",
                                   "dev", "gv-red").count("2001:db8")
        assert "2001:db8:" not in lab["sr"].bgp("show bgp ipv6 vpn")
        far = lab.far(lab.site("blue2"), "blue")
        wait_for(lambda: far.ping("2001:db8:1::10", count=1) == 1,
                 "an IPv6 packet to cross")
        # The first one makes the path MTU known.
        wait_for(lambda: far.ping("2001:db8:1::10", count=1, size=2000) == 1,
                 "a large IPv6 packet to cross")
    wait_for(lambda: not prefixes & set(kernel(dual, "-6")),
             "blue1's IPv6 routes to be withdrawn")
    assert lab.drops("dual", "blue") == drops


INNER = ("route-map inner permit 10", "set metric 77",
         "set as-path prepend 64999 64998", "set community 65001:7",
         "set large-community 65001:7:8", "set origin incomplete")
SECRET = ("route-map stays permit 10", "set community no-export")


def test_what_a_site_knows_travels_sealed(lab):
    blue1, dual, sr = lab["blue1"], lab["dual"], lab["sr"]
    lab.wait_until_settled("blue")
    with configured(blue1, "network 10.99.1.0/24 route-map inner",
                    "network 10.99.2.0/24 route-map stays",
                    "network 10.99.3.0/24 route-map inner",
                    globally=(*INNER, "exit", *SECRET)):
        for prefix in ("10.99.1.0/24", "10.99.3.0/24"):
            wait_for(lambda p=prefix: p in kernel(dual), f"{prefix} at dual")
            path, = unicast(dual, "ipv4", prefix)
            assert path["aspath"]["string"] == "65000 65001 64999 64998"
            assert path["metric"] == 77 and path["origin"] == "incomplete"
            assert path["community"]["string"] == "65001:7"
            assert path["largeCommunity"]["string"] == "65001:7:8"
            assert path["locPrf"] == 99
        assert "10.99.2.0/24" not in kernel(dual)
        shown = sr.bgp("show bgp ipv6 vpn detail") + \
            sr.bgp("show bgp ipv6 vpn")
        assert "64999" not in shown and "64998" not in shown
    wait_for(lambda: "10.99.1.0/24" not in kernel(dual), "its withdrawal")


SAME = "10.77.0.0/24"


def test_the_same_prefix_from_several_members(lab):
    blue1, blue2, dual = lab["blue1"], lab["blue2"], lab["dual"]
    one, two = (lab.site(h.name).gateway for h in (blue1, blue2))
    lab.wait_until_settled("blue")
    network = f"network {SAME}"
    longer = ("route-map backup permit 10", "set as-path prepend 65002 65002")
    with configured(dual, "maximum-paths 4"), configured(blue1, network):
        with configured(blue2, network):
            wait_for(lambda: kernel(dual).get(SAME) == {one, two},
                     "both gateways to be next hops")
        wait_for(lambda: kernel(dual).get(SAME) == {one}, "one to be left")
        with configured(blue2, f"{network} route-map backup", globally=longer):
            wait_for(lambda: len(unicast(dual, "ipv4", SAME)) == 2,
                     "the longer path to be there")
            assert kernel(dual)[SAME] == {one}
            blue1.configure("router bgp 65001 vrf blue",
                            "address-family ipv4 unicast", f"no {network}")
            wait_for(lambda: kernel(dual).get(SAME) == {two},
                     "the backup to be used")
            blue1.configure("router bgp 65001 vrf blue",
                            "address-family ipv4 unicast", network)
            wait_for(lambda: kernel(dual).get(SAME) == {one},
                     "the better one to be used again")
        # What a site has itself it does not send to others.
        with configured(dual, network):
            wait_for(lambda: SAME not in kernel(dual), "its own to be better")
            wait_for(lambda: len(unicast(blue2, "ipv4", SAME)) == 2,
                     "two of them at a third")
    wait_for(lambda: SAME not in kernel(dual), "all of them to be gone")
