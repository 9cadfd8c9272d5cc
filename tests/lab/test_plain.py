# SPDX-License-Identifier: GPL-2.0-or-later
"""A group whose routes are ordinary VPN routes: a PE without the module reads
them, members check where they come from."""

from lab import wait_for
from sites import SR_ADDRESS, SR_AS, Network, Site, member_frr, sr_frr

PE, PE_AS = "192.0.2.6", 64512

PE_FRR = f"""hostname pe
!
router bgp {PE_AS}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 neighbor {SR_ADDRESS} remote-as {SR_AS}
 neighbor {SR_ADDRESS} ebgp-multihop
 neighbor {SR_ADDRESS} timers connect 2
 address-family ipv4 vpn
  neighbor {SR_ADDRESS} activate
 exit-address-family
exit
!
router bgp {PE_AS} vrf pe
 address-family ipv4 unicast
  rd vpn export {PE_AS}:1
  rt vpn import 0:100
  import vpn
 exit-address-family
exit
!
"""


def with_vpnv4(text):
    """Both VPN families for every neighbour."""
    head, tail = text.split(" address-family ipv6 vpn\n")
    both, rest = tail.split(" exit-address-family\n", 1)
    return (f"{head} address-family ipv6 vpn\n{both} exit-address-family\n"
            f" address-family ipv4 vpn\n{both} exit-address-family\n{rest}")


def test_plain_routes(own_lab):
    lab = own_lab(Network(groups={"blue": 100}, sites=[
        Site("one", {"blue": "10.1.0"}),
        Site("two", {"blue": "10.2.0"}, vrfs=False)]))
    one, two, sr = lab["one"], lab["two"], lab["sr"]
    pe = lab.host("pe", lab.flavour("stock", plugins=False))
    lab.attach(pe, lab["b1"], "192.0.2.5", PE)
    pe.setup("link add pe type vrf table 100", "link set dev pe up")
    sr.setup("route add 192.0.2.0/24 via 192.0.2.1")
    pe.write("/etc/frr/frr.conf", PE_FRR)
    for host in (one, two):
        host.write("/etc/frr/frr.conf", with_vpnv4(member_frr(
            lab.site(host.name))).replace("group-vpn member blue",
                                          "group-vpn member blue plain"))
    sr.write("/etc/frr/frr.conf", with_vpnv4(sr_frr(lab.network).replace(
        " address-family ipv6 vpn\n", f""" neighbor {PE} remote-as {PE_AS}
 neighbor {PE} ebgp-multihop
 neighbor {PE} timers connect 2
 neighbor {PE} group-vpn transit
 address-family ipv6 vpn
  neighbor {PE} activate
""")))
    lab.wire()
    lab.start()
    lab.wait_until_up()
    lab.wait_until_reached("one", "two", "blue")
    assert "10.1.0.0/24" in sr.bgp("show bgp ipv4 vpn")
    for prefix in ("10.1.0.0/24", "10.2.0.0/24"):
        wait_for(lambda p=prefix: p in pe.bgp("show bgp vrf pe ipv4 unicast"),
                 f"the PE to import {prefix}")
    # An S/R counts and shows both families.
    assert sr.bgp_json("show bgp group-vpn")["groups"]["blue"][
        "routesReflected"] == 2
    shown = sr.bgp_json("show bgp group-vpn blue routes")["routes"]
    assert {(r["prefix"], r["state"]) for r in shown} == {
        (f"10.{n}.0.0/24", "plain, reflected") for n in (1, 2)}
    assert "1 routes of it" in sr.bgp(
        "show bgp group-vpn blue explain 10.2.0.0/24")
    assert " group-vpn member blue plain\n" in one.vtysh("show running-config")

    # IPv6, and path attributes, are in clear, too.
    one.configure("route-map seen permit 10",
                  "set community 65001:9", "exit",
                  "router bgp 65001 vrf blue", "no bgp network import-check",
                  "address-family ipv6 unicast",
                  "network 2001:db8:1::/48 route-map seen")
    wait_for(lambda: "2001:db8:1::/48" in two.run("ip", "-6", "route"),
             "the IPv6 route at the other site")
    path, = two.bgp_json("show bgp ipv6 unicast 2001:db8:1::/48")["paths"]
    assert path["community"]["string"] == "65001:9"
    assert path["aspath"]["string"] == "65000 65001"
    assert "2001:db8:1::/48" in sr.bgp("show bgp ipv6 vpn")

    # Who seals takes nothing plain; who is plain takes what is sealed.
    two.configure("router bgp 65002", "no group-vpn member blue plain")
    assert " group-vpn member blue\n" in two.vtysh("show running-config")
    wait_for(lambda: "10.1.0.0/24" not in lab.routes(lab.site("two"), "blue"),
             "plain routes to be refused")
    assert lab.drops("two", "blue")["plain"] > 0
    wait_for(lambda: "10.2.0.0/24" not in sr.bgp("show bgp ipv4 vpn"),
             "the plain route to be withdrawn")
    wait_for(lambda: "10.2.0.0/24" in lab.routes(lab.site("one"), "blue"),
             "the sealed route to be taken")
    two.configure("router bgp 65002", "group-vpn member blue plain")
    lab_routes = {"10.1.0.0/24", "2001:db8:1::/48"}
    wait_for(lambda: lab_routes <= lab.routes(lab.site("two"), "blue") | {
        line.split()[0] for line in two.run("ip", "-6", "route").splitlines()},
        "plain routes to be back")
