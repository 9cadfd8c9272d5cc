# SPDX-License-Identifier: GPL-2.0-or-later
"""Group routes and bgpd's other functions: neither takes over the other's.

What another configuration line or another neighbour could do to a group:
bring what no registration allows, or take the group's routes elsewhere.
"""

import contextlib
import ipaddress

import pytest

from bgp_speaker import (MEMBER_PREFIX, ROUTES, Speaker, group_attribute, rd,
                         update, vpnv6_nlri)
from lab import wait_for
from sites import SR_ADDRESS, SR_AS
from test_policing import SEALED, in_place_of_bgpd, route_epoch

# A VPN route that belongs to no group: when it is there, so would others be.
MARKER = "2001:db8:77::1"
MARKER_RD = rd(7, 7)


def holds(session, address):
    octets = ipaddress.ip_address(address).packed
    return any(octets in body for _, body in session.received)


def group_state(lab, site, group="blue"):
    return lab[site].bgp_json("show bgp group-vpn")["groups"][group]["state"]


@contextlib.contextmanager
def configured(host, lines, undo):
    host.configure(*lines)
    try:
        yield
    finally:
        host.configure(*undo)


def test_a_policy_of_any_kind_comes_with_ours(lab):
    """Where RFC 8212 is required, the line that lets a neighbour's routes pass
    does so at the same moment as our policing."""
    sr, outsider = lab["sr"], lab.site("outsider")
    others = [s for s in lab.network.sites if s is not outsider]
    vpn = (f"router bgp {SR_AS}", "address-family ipv6 vpn")
    member = lab.registered("blue")["blue2"]["memberId"]
    route = f"{MARKER}/128 rd 7:7"

    def say(session, *nlris):
        session.send(update(outsider.asn, 100, nlris, None, outsider.gateway))

    policy = [f"neighbor {s.gateway} route-map ANY {direction}"
              for s in others for direction in ("in", "out")]
    with (configured(sr, ("route-map ANY permit 10", "exit",
                          "ipv6 prefix-list ANY permit any", *vpn, *policy,
                          "exit-address-family", "bgp ebgp-requires-policy"),
                     (f"router bgp {SR_AS}", "no bgp ebgp-requires-policy",
                      *vpn[1:], *("no " + line for line in policy), "exit",
                      "exit", "no route-map ANY", "no ipv6 prefix-list ANY")),
          in_place_of_bgpd(lab["outsider"], lambda: Speaker.connect(
              lab["outsider"], outsider.gateway, SR_ADDRESS,
              outsider.asn)) as session):
        try:
            sr.configure(*vpn, f"network {route} label 7",
                         f"neighbor {outsider.gateway} prefix-list ANY out")
            wait_for(lambda: holds(session, MARKER), "a route to be sent")
            assert not holds(session, MEMBER_PREFIX)
            sr.configure(*vpn, f"no network {route} label 7")

            sr.configure(*vpn, f"neighbor {outsider.gateway} prefix-list ANY in")
            say(session, vpnv6_nlri(rd(member, 100), SEALED),
                vpnv6_nlri(MARKER_RD, MARKER))
            wait_for(lambda: MARKER in sr.bgp("show bgp ipv6 vpn"),
                     "a route to be accepted")
            wait_for(lambda: SEALED not in sr.bgp("show bgp ipv6 vpn"),
                     "what is not allowed to be gone", 30)
        finally:
            sr.configure(*vpn, *(f"no neighbor {outsider.gateway} "
                                 f"prefix-list ANY {direction}"
                                 for direction in ("in", "out")))


LEAKS = {
    "export": (("address-family ipv4 unicast", "rd vpn export 9:9",
                "rt vpn export 9:9", "label vpn export 77", "export vpn"),
               ("address-family ipv4 unicast", "no export vpn",
                "no label vpn export 77", "no rt vpn export 9:9",
                "no rd vpn export 9:9")),
    "evpn": (("address-family l2vpn evpn", "advertise ipv4 unicast"),
             ("address-family l2vpn evpn", "no advertise ipv4 unicast")),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_group_routes_stay_in_their_instance(lab, leak):
    """An instance whose routes bgpd copies elsewhere is not bound."""
    blue1, site = lab["blue1"], lab.site("blue1")
    instance = f"router bgp {site.asn} vrf blue"
    do, undo = LEAKS[leak]
    with configured(blue1, (instance, *do), (instance, *undo)):
        assert "refused" in group_state(lab, "blue1")
        wait_for(lambda: not lab.routes(site, "blue"),
                 "the group's routes to be gone")
        shown = "ipv4 vpn" if leak == "export" else "l2vpn evpn"
        wait_for(lambda: not any(
            s.groups["blue"] in blue1.bgp(f"show bgp {shown}")
            for s in lab.network.others(site, "blue")),
            "the group's routes not to be elsewhere", 30)
        if leak == "export":
            wait_for(lambda: "10.1.0.0/24" in blue1.bgp("show bgp ipv4 vpn"),
                     "its own route to be exported")
    lab.wait_until_up()


def test_a_member_relays_nothing_in_its_own_name(lab):
    """blue1 has another VPN neighbour, who knows what blue1 looks like."""
    blue1, site = lab["blue1"], lab.site("blue1")
    outsider = lab.site("outsider")
    own = lab.registered("blue")["blue1"]
    value = group_attribute(ROUTES, 100, own["memberId"], own["senderId"],
                            own["gateway"], route_epoch(lab, "blue1"))
    instance = f"router bgp {site.asn}"
    with (configured(blue1, (instance,
                             f"neighbor {outsider.gateway} remote-as {outsider.asn}",
                             f"neighbor {outsider.gateway} ebgp-multihop",
                             f"neighbor {outsider.gateway} passive",
                             "address-family ipv6 vpn",
                             f"neighbor {outsider.gateway} activate"),
                     (instance, f"no neighbor {outsider.gateway}")),
          in_place_of_bgpd(lab["outsider"], lambda: Speaker.connect(
              lab["outsider"], outsider.gateway, site.gateway,
              outsider.asn)) as session):
        for distinguisher, prefix, value in (
                (rd(own["memberId"], 100), SEALED, value),
                (MARKER_RD, MARKER, None)):
            session.send(update(outsider.asn, 100,
                                [vpnv6_nlri(distinguisher, prefix)], value,
                                outsider.gateway))
        wait_for(lambda: MARKER in lab["sr"].bgp("show bgp ipv6 vpn"),
                 "an ordinary VPN route to be passed on")
        assert SEALED in blue1.bgp("show bgp ipv6 vpn")
        assert SEALED not in lab["sr"].bgp("show bgp ipv6 vpn")


def test_opened_routes_stay_out_of_the_underlay(lab):
    """Without a VRF no IPv4 neighbour gets them, whatever else it speaks."""
    one, other = lab.site("blue2"), lab.site("outsider")

    def neighbours(site, peer):
        return configured(
            lab[site.name],
            (f"router bgp {site.asn}",
             f"neighbor {peer.gateway} remote-as {peer.asn}",
             f"neighbor {peer.gateway} ebgp-multihop",
             f"neighbor {peer.gateway} timers connect 1",
             f"neighbor {peer.gateway} advertisement-interval 0",
             "address-family ipv4 unicast", f"neighbor {peer.gateway} activate"),
            (f"router bgp {site.asn}", f"no neighbor {peer.gateway}"))
    with neighbours(one, other), neighbours(other, one):
        wait_for(lambda: one.lan_prefix("blue") in lab["outsider"].bgp(
            "show bgp ipv4 unicast"), "blue2's own LAN to be at its neighbour")
        assert lab.is_complete(one, "blue")
        shown = lab["outsider"].bgp("show bgp ipv4 unicast")
        assert not any(s.lan_prefix("blue") in shown
                       for s in lab.network.others(one, "blue"))


def test_an_aggregate_of_others_routes_is_not_announced(lab):
    blue2 = lab["blue2"]
    ipv4 = (f"router bgp {lab.site('blue2').asn}", "address-family ipv4 unicast")
    aggregate, own = "10.1.0.0/16", "10.1.77.0/24"

    def announced():
        routes = blue2.bgp_json("show bgp group-vpn blue routes")["routes"]
        return {r["prefix"] for r in routes if r["direction"] == "out"}

    def is_aggregated():
        return blue2.bgp_json(f"show bgp ipv4 unicast {aggregate}")
    with configured(blue2, (*ipv4, f"aggregate-address {aggregate}"),
                    (*ipv4, f"no aggregate-address {aggregate}")):
        wait_for(is_aggregated, "others' routes to be aggregated")
        blue2.ip("addr add 10.1.77.1/24 dev lan-blue")
        with configured(blue2, (*ipv4, f"network {own}"),
                        (*ipv4, f"no network {own}")):
            wait_for(lambda: {own, aggregate} <= announced(),
                     "an aggregate with a route of our own to be announced")
        blue2.ip("addr del 10.1.77.1/24 dev lan-blue")
        wait_for(lambda: announced() == {"10.2.0.0/24"},
                 "the aggregate of others' routes not to be announced")
        assert is_aggregated()


def test_frr_reload_knows_our_commands(lab):
    """Stock frr-reload.py, told where our vtysh is, finds nothing to change
    and does change what there is."""
    host = lab["blue1"]
    text = host.read("/etc/frr/frr.conf")

    def reload():
        host.run("/usr/lib/frr/frr-reload.py", "--reload", "--bindir",
                 str(host.flavour.vtysh.parent), "/etc/frr/frr.conf")

    def configuration():
        return host.vtysh("show running-config")
    reload()
    assert "group-vpn member blue" in configuration()
    host.write("/etc/frr/frr.conf", text.replace(" group-vpn member blue\n", ""))
    try:
        reload()
        assert "group-vpn member blue" not in configuration()
    finally:
        host.write("/etc/frr/frr.conf", text)
        reload()
    assert "group-vpn member blue" in configuration()
