# SPDX-License-Identifier: GPL-2.0-or-later
"""What a site takes from its group and gives to it: route-maps, and a CE router
that speaks BGP and OSPF in the VRF."""

import pytest

from lab import FRR_DAEMONS, Daemon, wait_for
from sites import Network, Site, member_frr
from test_paths import kernel, unicast
from test_route_epoch import RouteMonitor
from test_static import reload, run_with


def announced(host, group="blue"):
    routes = host.bgp_json(f"show bgp group-vpn {group} routes")["routes"]
    return {r["prefix"] for r in routes if r["direction"] == "out"}


def state(host, prefix):
    routes = host.bgp_json("show bgp group-vpn blue routes")["routes"]
    return next((r["state"] for r in routes if r["direction"] == "in"
                 and r.get("prefix") == prefix), None)


OUT = ("ip prefix-list few seq 5 permit 10.1.0.0/24",
       "ip prefix-list few seq 10 permit 10.99.4.0/24",
       "route-map to-group permit 10", "match ip address prefix-list few",
       "set metric 42", "set community 65001:9", "exit")
IN = ("ip prefix-list much seq 5 deny 10.1.0.0/24",
      "ip prefix-list much seq 10 permit any",
      "route-map from-group permit 10", "match ip address prefix-list much",
      "set local-preference 300", "exit")
MEMBER = "group-vpn member blue route-map"


def test_route_maps(lab):
    """Both ways, changed while they are in use, and shown as configured."""
    blue1, dual = lab["blue1"], lab["dual"]
    ours, theirs = "10.1.0.0/24", "10.2.0.0/24"
    at_blue1 = f"router bgp {lab.site('blue1').asn} vrf blue"
    at_dual = f"router bgp {lab.site('dual').asn} vrf blue"
    ipv4 = "address-family ipv4 unicast"
    lab.wait_until_settled("blue")
    try:
        blue1.configure(*OUT, at_blue1, "no bgp network import-check",
                        f"{MEMBER} to-group out", ipv4,
                        "network 10.99.4.0/24", "network 10.99.5.0/24")
        wait_for(lambda: announced(blue1) == {ours, "10.99.4.0/24"},
                 "what the route-map permits to be announced, no more")
        wait_for(lambda: unicast(dual, "ipv4", ours)[0].get("metric") == 42,
                 "the metric that it sets")
        assert unicast(dual, "ipv4", ours)[0]["community"]["string"] == "65001:9"
        # A list that it uses.
        blue1.configure("ip prefix-list few seq 15 permit 10.99.5.0/24")
        wait_for(lambda: "10.99.5.0/24" in kernel(dual), "what it permits then")

        dual.configure(*IN, at_dual, f"{MEMBER} from-group in")
        wait_for(lambda: state(dual, ours) == "denied by the route-map",
                 "a denied route to be told")
        wait_for(lambda: ours not in kernel(dual), "it to be taken out")
        wait_for(lambda: unicast(dual, "ipv4", theirs)[0]["locPrf"] == 300,
                 "the local preference that it sets")
        assert "10.99.4.0/24" in kernel(dual)
        text = dual.vtysh(f"show bgp group-vpn blue explain {ours}")
        assert "denied by route-map from-group" in text
        assert f"{MEMBER} from-group in" in dual.vtysh("show running-config")
        # One that does not exist denies, as a neighbour's.
        dual.configure("no route-map from-group")
        wait_for(lambda: not kernel(dual), "nothing to be taken")
        dual.configure(at_dual, f"no {MEMBER} from-group in")
        wait_for(lambda: {ours, theirs} <= set(kernel(dual)), "all of it")
        shown = dual.vtysh("configure terminal", at_dual,
                           f"no {MEMBER} from-group in")
        assert "from-group is not the route-map of group blue" in shown
        # As frr-reload.py does it, after "no group-vpn member other".
        dual.configure(at_dual, f"no {MEMBER.replace('blue', 'other')} from-group in")
    finally:
        dual.vtysh("configure terminal", "no ip prefix-list much",
                   "no route-map from-group", check=False)
        blue1.vtysh("configure terminal", at_blue1,
                    f"no {MEMBER} to-group out", "bgp network import-check",
                    ipv4, "no network 10.99.4.0/24", "no network 10.99.5.0/24",
                    "exit-address-family", "exit", "no route-map to-group",
                    "no ip prefix-list few", check=False)
    wait_for(lambda: announced(blue1) == {ours}, "the LAN alone")


HOME, HOME6 = "10.99.5.0/24", "2001:db8:99::/48"
OTHER6 = "2001:db8:98::/48"


def test_a_reload_keeps_the_route_maps(lab):
    """frr-reload.py puts "plain" in and takes it out; what the route-map keeps at
    home stays there all along."""
    blue1, dual = lab["blue1"], lab["dual"]
    site = lab.site("blue1")
    at = f"router bgp {site.asn} vrf blue"
    line, plain = " group-vpn member blue\n", " group-vpn member blue plain\n"
    text = member_frr(site)
    dual.configure(f"router bgp {lab.site('dual').asn} vrf blue",
                   "group-vpn member blue plain")
    try:
        # The route-map first: that is how to do it by hand.
        blue1.configure(at, "no group-vpn member blue",
                        f"ip prefix-list home permit {HOME}",
                        f"ipv6 prefix-list home permit {HOME6}",
                        "route-map to-group deny 10",
                        "match ip address prefix-list home", "exit",
                        "route-map to-group deny 20",
                        "match ipv6 address prefix-list home", "exit",
                        "route-map to-group permit 30", "exit",
                        at, f"{MEMBER} to-group out",
                        "no bgp network import-check",
                        "address-family ipv4 unicast", f"network {HOME}",
                        "exit-address-family", "address-family ipv6 unicast",
                        f"network {HOME6}", f"network {OTHER6}")
        blue1.vtysh("write memory")
        sealed = blue1.read("/etc/frr/frr.conf")
        assert line in sealed and f" {MEMBER} to-group out\n" in sealed

        def taken():
            return OTHER6 in dual.bgp("show bgp vrf blue ipv6 unicast")
        wait_for(taken, "what the route-map permits at another site")
        monitor = RouteMonitor(dual)
        for wanted in (sealed.replace(line, line + plain), sealed):
            since = blue1.log_size("bgpd")
            blue1.write("/etc/frr/frr.conf", wanted)
            reload(blue1)
            blue1.vtysh("write memory")
            assert blue1.read("/etc/frr/frr.conf") == wanted
            wait_for(lambda p=plain in wanted: p == (
                OTHER6 in lab["sr"].bgp("show bgp ipv6 vpn")),
                "the S/R to have it in clear, or not any more")
            wait_for(taken, "it at the other site")
            assert "no longer announcing" not in blue1.log("bgpd", since)
        assert not [x for x in monitor.lines("") if HOME in x or HOME6 in x]
        # Which the monitor would have seen.
        monitor = RouteMonitor(dual)
        blue1.configure(at, f"no {MEMBER} to-group out")
        wait_for(lambda: HOME in kernel(dual), "what was kept at home")
        assert monitor.lines(HOME)
    finally:
        dual.configure(f"router bgp {lab.site('dual').asn} vrf blue",
                       "no group-vpn member blue plain")
        run_with(blue1, text)
    lab.wait_until_up()


FAR = "172.16.9.9"


def test_static_and_default_routes(lab):
    """What the operator of a site routes by hand the others reach by it."""
    blue1, dual = lab["blue1"], lab["dual"]
    far = lab.far(lab.site("blue1"), "blue")
    staticd = blue1.daemons["staticd"] = Daemon(
        blue1, "staticd", [FRR_DAEMONS / "staticd",
                           *blue1.frr_options("staticd")],
        ["/run/frr/staticd.vty"])
    staticd.start()
    far.ip(f"addr add {FAR}/32 dev lo")
    router = f"router bgp {lab.site('blue1').asn} vrf blue"
    lines = ("ip route 172.16.0.0/16 10.1.0.10", "ip route 0.0.0.0/0 10.1.0.10")
    via = {lab.site("blue1").gateway}
    refused = lab.drops("blue2", "blue")["covers"]
    try:
        blue1.configure("vrf blue", *lines, "exit-vrf", router,
                        "address-family ipv4 unicast", "redistribute static")
        wait_for(lambda: kernel(dual).get("172.16.0.0/16") == via,
                 "a static route to be at another site")
        wait_for(lambda: kernel(dual).get("0.0.0.0/0") == via,
                 "a default route to be there, too")
        for address in (FAR, "10.1.0.10"):
            assert lab.asked(lab.site("dual"), "blue", address) == "blue1.blue"
        # Where it would lead the packets of the group itself it is not taken.
        wait_for(lambda: "172.16.0.0/16" in kernel(lab["blue2"]),
                 "the static route at a site without VRFs")
        assert "0.0.0.0/0" not in kernel(lab["blue2"])
        assert lab.drops("blue2", "blue")["covers"] > refused
        blue1.configure("vrf blue", *("no " + line for line in lines))
        wait_for(lambda: not {"172.16.0.0/16", "0.0.0.0/0"} & set(kernel(dual)),
                 "both to be gone when they are")
    finally:
        blue1.configure(router, "address-family ipv4 unicast",
                        "no redistribute static")
        staticd.kill()
        del blue1.daemons["staticd"]
        far.ip(f"addr del {FAR}/32 dev lo")


CE_AS = 64777
BY_BGP, BY_OSPF = "172.16.1.0/24", "172.16.2.1/32"
TIMERS = """ ip ospf network point-to-point
 ip ospf hello-interval 1
 ip ospf dead-interval 4
exit
!
"""
CE_FRR = f"""hostname ce
!
interface up
{TIMERS}router bgp {CE_AS}
 no bgp ebgp-requires-policy
 neighbor 10.10.0.1 remote-as 65001
 neighbor 10.10.0.1 timers connect 1
 address-family ipv4 unicast
  network {BY_BGP}
 exit-address-family
exit
!
router ospf
 network {BY_OSPF} area 0
 network 10.10.0.0/30 area 0
exit
!
"""
SITE_FRR = f"""interface to-ce vrf blue
{TIMERS}router ospf vrf blue
 network 10.10.0.0/30 area 0
exit
!
router bgp 65001 vrf blue
 no bgp ebgp-requires-policy
 neighbor 10.10.0.2 remote-as {CE_AS}
 neighbor 10.10.0.2 timers connect 1
 neighbor 10.10.0.2 advertisement-interval 0
 address-family ipv4 unicast
  neighbor 10.10.0.2 activate
  redistribute ospf
 exit-address-family
exit
!
"""


def with_ospf(host):
    host.daemons["ospfd"] = Daemon(
        host, "ospfd", [FRR_DAEMONS / "ospfd", *host.frr_options("ospfd")],
        ["/run/frr/ospfd.vty"])
    for name in ("zebra", "bgpd", "ospfd"):
        host.daemons[name].start()
    host.load_frr()


@pytest.mark.long
def test_ce_router_in_the_vrf(own_lab):
    """Its routes reach the group, the group's reach it, and none comes back."""
    lab = own_lab(Network(groups={"blue": 100}, sites=[
        Site("one", {"blue": "10.1.0"}), Site("two", {"blue": "10.2.0"})]))
    one, two = lab["one"], lab["two"]
    ce = lab.host("ce", lab.flavour("stock", plugins=False))
    lab.link(one, "to-ce", ce, "up")
    one.setup("link set dev to-ce master blue", "addr add 10.10.0.1/30 dev to-ce")
    ce.setup("addr add 10.10.0.2/30 dev up", "addr add 172.16.1.1/24 dev lo",
             f"addr add {BY_OSPF} dev lo")
    lab.wire()
    ce.write("/etc/frr/frr.conf", CE_FRR)
    one.write("/etc/frr/frr.conf", member_frr(lab.site("one")) + SITE_FRR)
    for host in (lab["sr"], two):
        host.start()
    for host in (one, ce):
        with_ospf(host)
    one.charon.start()
    one.load_swanctl()
    own = {"10.1.0.0/24", BY_BGP, BY_OSPF.removesuffix("/32")}
    wait_for(lambda: lab.routes(lab.site("two"), "blue") >= own,
             "the CE's routes at the other site", 60)
    path, = unicast(two, "ipv4", BY_BGP)
    assert path["aspath"]["string"] == f"65000 65001 {CE_AS}"
    path, = unicast(two, "ipv4", BY_OSPF)
    assert path["origin"] == "incomplete"
    # And the other way round, with the site as the next hop.
    wait_for(lambda: {r["dst"]: r.get("gateway") for r in ce.ip_json(
        "route show")}.get("10.2.0.0/24") == "10.10.0.1",
        "the group's route at the CE")
    wait_for(lambda: lab.far(lab.site("two"), "blue").ping(
        "172.16.1.1", count=1), "the CE to be reached from the other site")
    assert ce.ping("10.2.0.10", options=("-I", "172.16.1.1")) == 3
    # Neither to the group nor to the CE goes what came from there.
    assert announced(one) <= {"10.1.0.0/24", "10.10.0.0/30", BY_BGP, BY_OSPF}
    assert announced(two) == {"10.2.0.0/24"}
    ce.bgpd.stop()
    wait_for(lambda: lab.routes(lab.site("two"), "blue") ==
             own - {BY_BGP} | {"10.10.0.0/30"} & lab.routes(
                 lab.site("two"), "blue"), "its BGP routes to be withdrawn")
    ce.daemons["ospfd"].kill()
    wait_for(lambda: BY_OSPF.removesuffix("/32") not in
             lab.routes(lab.site("two"), "blue"), "its OSPF route, too")
