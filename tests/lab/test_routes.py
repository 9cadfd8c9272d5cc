# SPDX-License-Identifier: GPL-2.0-or-later
"""Discovery, reflection, opening and injection of routes."""

import ipaddress
import re

from lab import wait_for

VPN_ROUTES = "show bgp ipv6 vpn"
RD = re.compile(r"Route Distinguisher: (\d+):(\d+)")


def group_ids_in_table(host):
    return {int(group) for _, group in RD.findall(host.bgp(VPN_ROUTES))}


def test_only_members_have_a_groups_routes(lab):
    for name, ids in (("sr", {100, 200}), ("blue1", {100}), ("red1", {200}),
                      ("dual", {100, 200}), ("outsider", set())):
        wait_for(lambda n=name, i=ids: group_ids_in_table(lab[n]) == i,
                 f"{name} to have routes of the groups {ids} alone")


def test_routes_are_in_the_vrf_and_only_there(lab):
    blue1 = lab["blue1"]
    assert "10.2.0.0/24" in blue1.run("ip", "route", "show", "vrf", "blue")
    assert "10.2.0.0" not in blue1.run("ip", "route", "show")
    assert "10.1.0.0/24" in lab["blue2"].run("ip", "route", "show")
    shown = blue1.bgp("show bgp vrf blue ipv4 unicast")
    assert "10.2.0.0/24" in shown and "10.5.0.0/24" in shown


def test_reflector_sees_sealed_prefixes_only(lab):
    text = lab["sr"].bgp(VPN_ROUTES)
    routes = [line for line in text.splitlines() if line.startswith((" *", "*"))]
    prefixes = [word for line in routes for word in line.split() if "/" in word]
    assert prefixes and all(p.endswith("/128") for p in prefixes)
    for prefix in prefixes:
        octets = ipaddress.ip_network(prefix).network_address.packed
        assert bytes((10, 1, 0)) not in octets, "a LAN's prefix in clear"


def in_vrf_blue(lab, *commands):
    lab["blue1"].configure("router bgp 65001 vrf blue",
                           "address-family ipv4 unicast", *commands)


def others_routes(lab):
    return [lab.routes(site, "blue") for site in
            lab.network.others(lab.site("blue1"), "blue")]


def test_routes_follow_the_lan(lab):
    in_vrf_blue(lab, "no network 10.1.0.0/24")
    wait_for(lambda: all("10.1.0.0/24" not in r for r in others_routes(lab)),
             "10.1.0.0/24 to be gone at the others")
    lab["blue1"].ip("addr add 10.99.0.1/24 dev lan-blue")
    in_vrf_blue(lab, "network 10.99.0.0/24", "network 10.1.0.0/24")
    wait_for(lambda: all({"10.1.0.0/24", "10.99.0.0/24"} <= r
                         for r in others_routes(lab)),
             "10.1.0.0/24 and 10.99.0.0/24 to be at the others")
    lab["blue1"].ip("addr del 10.99.0.1/24 dev lan-blue")
    wait_for(lambda: all("10.99.0.0/24" not in r for r in others_routes(lab)),
             "the route to go when the interface's address does")
    in_vrf_blue(lab, "no network 10.99.0.0/24")


def test_redistributed_routes_are_announced(lab):
    lab["blue1"].ip("addr add 10.98.0.1/24 dev lan-blue")
    in_vrf_blue(lab, "redistribute connected")
    try:
        wait_for(lambda: all("10.98.0.0/24" in r for r in others_routes(lab)),
                 "a connected route to be at the others")
    finally:
        in_vrf_blue(lab, "no redistribute connected")
        lab["blue1"].ip("addr del 10.98.0.1/24 dev lan-blue")
    wait_for(lambda: all("10.98.0.0/24" not in r for r in others_routes(lab)),
             "the connected route to be gone")


def test_loss_of_the_bgp_session_withdraws(lab):
    blue1 = lab["blue1"]
    blue1.configure("router bgp 65001", "neighbor 192.0.2.2 shutdown")
    try:
        wait_for(lambda: all("10.1.0.0/24" not in r for r in others_routes(lab)),
                 "blue1's route to be gone at the others")
        wait_for(lambda: not lab.routes(lab.site("blue1"), "blue"),
                 "the others' routes to be gone at blue1")
        # Registration is not BGP's business.
        assert "blue1" in lab.registered("blue")
    finally:
        blue1.configure("router bgp 65001", "no neighbor 192.0.2.2 shutdown")


def test_show_tells_groups_members_and_routes(lab):
    def settled():
        group = lab["blue1"].bgp_json("show bgp group-vpn")["groups"]["blue"]
        return group["state"] == "up" and group["id"] == 100 and \
            group["members"] == group["membersReady"] == 2 and \
            group["routesIn"] == group["routesInVrf"] == 2 and \
            group["routesOut"] == 1 and group["epoch"] > 0 and \
            group["sas"] == len(lab["blue1"].states())
    # Of two epochs, and of two route epochs, there is twice as much.
    wait_for(settled, "one epoch to be left, and what is shown to fit it", 120)
    text = lab["blue1"].vtysh("show bgp group-vpn blue")
    assert "Group blue, ID 100, member" in text
    members = lab["blue1"].bgp_json("show bgp group-vpn blue members")["members"]
    assert {m["gateway"] for m in members} == {
        s.gateway for s in lab.network.others(lab.site("blue1"), "blue")}
    routes = lab["blue1"].bgp_json("show bgp group-vpn blue routes")["routes"]
    assert {"10.1.0.0/24", "10.2.0.0/24", "10.5.0.0/24"} == {
        r["prefix"] for r in routes}
