# SPDX-License-Identifier: GPL-2.0-or-later
"""Two gateways of one site, which exchange their routes within it: what one of
them has from the group the other one does not announce as the site's own.

The shared network, with a link between blue1 and dual in their VRF blue.
"""

import pytest

from lab import wait_for
from sites import member_frr
from test_paths import unicast
from test_site_routes import announced
from test_static import run_with

SITES_AS = 64990
ADDRESSES = {"blue1": "10.10.1.1", "dual": "10.10.1.2"}
OPENED, OWN = "10.2.0.0/24", "10.99.7.0/24"


def gateway_text(lab, name, asn):
    """A gateway's frr.conf, with the other one as neighbour in the VRF."""
    site = lab.site(name)
    other, = set(ADDRESSES) - {name}
    mine, others = (asn or lab.site(n).asn for n in (name, other))
    text = member_frr(site).replace(f"router bgp {site.asn} vrf blue",
                                    f"router bgp {mine} vrf blue")
    own = f"  network {OWN}\n" if name == "blue1" else ""
    return text.replace(" group-vpn member blue\n", f""" group-vpn member blue
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor {ADDRESSES[other]} remote-as {others}
 neighbor {ADDRESSES[other]} timers connect 1
 neighbor {ADDRESSES[other]} advertisement-interval 0
 address-family ipv4 unicast
  neighbor {ADDRESSES[other]} next-hop-self force
{own} exit-address-family
""")


@pytest.fixture
def linked(lab):
    one, two = (lab[name] for name in ADDRESSES)
    lab.link(one, "to-dual", two, "to-blue1")
    for host, device in ((one, "to-dual"), (two, "to-blue1")):
        host.setup(f"link set dev {device} master blue",
                   f"addr add {ADDRESSES[host.name]}/30 dev {device}")
    lab.wire()
    yield lab
    one.ip("link del to-dual")
    two.vtysh("configure terminal", "no route-map from-ce", check=False)
    for name in ADDRESSES:
        run_with(lab[name], member_frr(lab.site(name)))


def from_the_other(host, prefix):
    """The selected path, if the site's other gateway brings it."""
    other, = set(ADDRESSES.values()) - {ADDRESSES[host.name]}
    return next((p for p in unicast(host, "ipv4", prefix) if p.get("bestpath")
                 and p["peer"]["peerId"] == other), None)


@pytest.mark.parametrize("asn", (
    pytest.param(SITES_AS, id="ibgp"),
    pytest.param(None, id="ebgp", marks=pytest.mark.long)))
def test_nothing_of_the_group_is_announced_again(linked, asn):
    lab, dual = linked, linked["dual"]
    for name in ADDRESSES:
        run_with(lab[name], gateway_text(lab, name, asn))
    # One that has a route of the group from the other gateway alone, as with a
    # member list, or while it has no SA with the member.
    dual.configure(f"router bgp {asn or lab.site('dual').asn} vrf blue",
                   "group-vpn member blue route-map none in")
    path = wait_for(lambda: from_the_other(dual, OPENED),
                    "dual to use the group's route of the other gateway", 60)
    assert path["valid"]
    # The site's own go on to the group, whichever gateway has them.
    wait_for(lambda: {"10.1.0.0/24", "10.5.0.0/24", OWN} <= announced(dual),
             "the other gateway's own routes to be announced")
    assert OPENED not in announced(dual)
    # So the others have it from the one whose it is.
    wait_for(lambda: len(unicast(lab["blue1"], "ipv4", OPENED)) == 1,
             "one path of it at the gateway that has it from the group")
    if asn:
        return
    # Nor is it taken back: by the AS path within, which nobody else sees.
    wait_for(lambda: lab.drops("blue1", "blue")["asLoop"],
             "its own LAN from the other gateway to be refused")
    assert "10.1.0.0/24" not in lab.routes(lab.site("blue1"), "blue")
    assert "our AS" not in lab["blue1"].log("bgpd")
    # As the manual page has it: from the group, and else from the other one.
    dual.configure("bgp extcommunity-list standard opened permit rt 0:100",
                   "route-map from-ce permit 10", "match extcommunity opened",
                   "set local-preference 90", "exit",
                   "route-map from-ce permit 20", "exit",
                   f"router bgp {lab.site('dual').asn} vrf blue",
                   "no group-vpn member blue route-map none in",
                   "address-family ipv4 unicast",
                   f"neighbor {ADDRESSES['blue1']} route-map from-ce in")
    wait_for(lambda: OPENED in lab.routes(lab.site("dual"), "blue"),
             "the route of the group to be used")
    assert len(unicast(dual, "ipv4", OPENED)) == 2
