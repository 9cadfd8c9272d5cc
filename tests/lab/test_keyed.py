# SPDX-License-Identifier: GPL-2.0-or-later
"""Routes with the keys: sites that have charon and no bgpd."""

import signal

import pytest

from kept import report
from lab import wait_for
from sites import (SR_ADDRESS6, Network, Site, build, member_swanctl,
                   sr_swanctl)
from test_explain import AT_SR, complete
from test_management import counters, ctl, ctl_json
from test_route_epoch import RouteMonitor

POLICY = ["atd = 1s", "dtd = 3s", "max_prefixes = 4",
          "allowed_prefixes = 10.0.0.0/8, "
          "alone1.example.net 2001:db8:1::/48, "
          "alone2.example.net 2001:db8:2::/48"]


def network():
    return Network(
        groups={"blue": 100},
        sites=[Site("alone1", {"blue": "10.1.0"}, bgp=False,
                    credential="pubkey"),
               Site("alone2", {"blue": "10.2.0"}, bgp=False, vrfs=False,
                    credential="pubkey",
                    options={"blue": ["carrier = exchange"]}),
               Site("routed", {"blue": "10.3.0"}, credential="pubkey")],
        policy={"blue": POLICY})


@pytest.fixture(scope="module")
def sites():
    lab = build(network())
    try:
        for name in ("sr", "alone2"):
            path = "/etc/strongswan.d/charon/groupvpn.conf"
            lab[name].write(path, lab[name].read(path).replace(
                "load = yes", "load = yes\n    exchange = yes"))
        lab.start()
        lab.wait_until_up()
        yield lab
    except BaseException:
        report(lab, "keyed")
        raise
    finally:
        lab.close()


@pytest.fixture
def lab(sites, request):
    yield sites
    if getattr(request.node, "failed", False):
        report(sites, request.node.name)


def configure(lab, name, prefixes):
    """Other prefixes in a site's swanctl.conf."""
    site = lab.site(name)
    lab.reconfigure(name, member_swanctl(site, lab.network).replace(
        f"prefixes = {site.lan_prefix('blue')}", f"prefixes = {prefixes}"))


def routes6(lab, name):
    vrf = lab.site(name).vrf("blue")
    table = f"vrf {vrf}" if vrf else ""
    return {r["dst"]: r for r in lab[name].ip_json(f"-6 route show {table}")
            if r.get("dev") == "gv-blue" and r["dst"].startswith("2001")}


def wait_for_routes(lab, name, *prefixes):
    wait_for(lambda: lab.routes(lab.site(name), "blue") == set(prefixes),
             f"{prefixes} at {name}")


def test_all_sites_talk(lab):
    """Those without bgpd among themselves, and with one that has it."""
    assert not lab["alone1"].bgpd.running and not lab["alone2"].bgpd.running
    for source in lab.network.sites:
        for target in lab.network.others(source, "blue"):
            assert lab.answer(source, "blue", target.end_host_address("blue")) \
                == f"{target.name}.blue"


def test_the_kernels_route_is_that_of_zebra(lab):
    def hop(name, prefix):
        route, = (r for r in lab[name].ip_json("route show vrf blue")
                  if r["dst"] == prefix)
        return route["gateway"], route["dev"], "onlink" in route["flags"]
    gateway = lab.site("alone2").gateway
    assert hop("alone1", "10.2.0.0/24") == hop("routed", "10.2.0.0/24") == \
        (gateway, "gv-blue", True)


def test_they_are_listed(lab):
    wait_for(lambda: {m["state"] for m in ctl_json(lab["alone1"],
                                                   "list-members")} == {"ready"},
             "the others to be ready")
    group, = ctl_json(lab["alone1"], "list-groups")
    assert group["routes"] == "keys" and group["prefixes"] == "10.1.0.0/24"
    assert group["routes-installed"] == 2 and group["routes-refused"] == 0
    members = {m["prefixes"]: m for m in ctl_json(lab["alone1"], "list-members")}
    assert set(members) == {"10.2.0.0/24", "10.3.0.0/24"}
    at_sr = {m["identity"]: m for m in ctl_json(lab["sr"], "list-members")}
    for site in lab.network.sites:
        assert at_sr[site.identity]["prefixes"] == site.lan_prefix("blue")
        assert at_sr[site.identity]["routes"] == ("bgp" if site.bgp else "keys")
    assert "10.2.0.0/24" in ctl(lab["alone1"], "list-members")
    assert "with the keys, 2 installed" in ctl(lab["alone1"], "list-groups")


def test_the_reflector_announces_sealed_routes(lab):
    text = lab["sr"].bgp("show bgp ipv6 vpn")
    assert "10.1.0" not in text and "10.2.0" not in text
    assert {name: m["state"] for name, m in lab.registered("blue").items()} == {
        "alone1": "registered, without bgpd: announced here",
        "alone2": "registered, without bgpd: announced here",
        "routed": "registered, BGP established"}
    def explained():
        text = complete(lab["sr"], "blue", lab.site("alone1").gateway, AT_SR)
        return text[4].startswith("1 routes of it, reflected to the 1 other") \
            and text
    assert "it has no bgpd" in wait_for(explained, "no change of route epoch",
                                        120)[3]
    wait_for(lambda: {m["gateway"] for m in lab["routed"].bgp_json(
        "show bgp group-vpn blue members")["members"]} == {
            lab.site(name).gateway for name in ("alone1", "alone2")},
        "the members without bgpd at the one that has it")


def test_prefixes_follow_a_reload(lab):
    sender = ctl_json(lab["alone1"], "list-groups")[0]["sender-id"]
    configure(lab, "alone1", "10.1.0.0/24, 10.71.0.0/16, 2001:db8:1::/48, "
              "2001:db8:1:1::/112")
    wait_for_routes(lab, "alone2", "10.1.0.0/24", "10.71.0.0/16", "10.3.0.0/24")
    wait_for_routes(lab, "routed", "10.1.0.0/24", "10.71.0.0/16", "10.2.0.0/24")
    for name in ("alone2", "routed"):
        wait_for(lambda n=name: set(routes6(lab, n)) ==
                 {"2001:db8:1::/48", "2001:db8:1:1::/112"},
                 f"the IPv6 prefixes at {name}")
        assert routes6(lab, name)["2001:db8:1::/48"]["gateway"] == \
            f"::{lab.site('alone1').gateway}"
    # Nothing else has changed: not the keys of all the others' SAs.
    assert ctl_json(lab["alone1"], "list-groups")[0]["sender-id"] == sender
    lab.restore("alone1")
    wait_for_routes(lab, "alone2", "10.1.0.0/24", "10.3.0.0/24")
    wait_for_routes(lab, "routed", "10.1.0.0/24", "10.2.0.0/24")
    wait_for(lambda: not routes6(lab, "alone2") and not routes6(lab, "routed"),
             "the IPv6 prefixes to be gone")
    assert counters(lab["sr"], "blue")["lists-acknowledged"] > 0
    assert counters(lab["alone2"], "blue")["lists-refused"] == 0


def test_routes_of_a_site_with_bgpd_follow(lab):
    def networks(*commands):
        lab["routed"].configure(
            f"router bgp {lab.site('routed').asn} vrf blue",
            "address-family ipv4 unicast", *commands)
    lab["routed"].ip("addr add 10.99.0.1/24 dev lan-blue")
    networks("network 10.99.0.0/24", "no network 10.3.0.0/24")
    for name, other in (("alone1", "10.2.0.0/24"), ("alone2", "10.1.0.0/24")):
        wait_for_routes(lab, name, "10.99.0.0/24", other)
    networks("network 10.3.0.0/24", "no network 10.99.0.0/24")
    lab["routed"].ip("addr del 10.99.0.1/24 dev lan-blue")
    lab.wait_until_up()
    assert counters(lab["sr"], "blue")["routes-dropped"] == 0


def test_routes_that_somebody_removes_come_back(lab):
    since = lab["alone1"].log_size("charon")
    lab["alone1"].ip("route flush vrf blue proto 118")
    # They go one by one, it may look in between.
    lab["alone1"].wait_for_log("charon", " of the routes are not in the kernel "
                               "anymore", since)
    wait_for_routes(lab, "alone1", "10.2.0.0/24", "10.3.0.0/24")


def test_policy_limits_claims(lab):
    cases = (
        ("192.168.0.0/24", "192.168.0.0/24, which is in none of "
         "'allowed_prefixes'"),
        ("2001:db8:2:7::/64", "2001:db8:2:7::/64, which is in none of"),
        ("10.1.0.0/24, 10.2.0.0/24, 10.3.0.0/24, 10.4.0.0/24, 10.5.0.0/24",
         "it claims 5 prefixes, max_prefixes = 4"),
        ("203.0.113.0/24", "203.0.113.0/24, which covers its own gateway"))
    for prefixes, reason in cases:
        since = lab["sr"].log_size("charon"), lab["alone1"].log_size("charon")
        configure(lab, "alone1", prefixes)
        line = lab["sr"].wait_for_log("charon", reason, since[0])
        assert "refused with REGISTRATION_FAILED" in line
        lab["alone1"].wait_for_log("charon", reason, since[1])
    # What there was before goes on meanwhile.
    assert lab.answer(lab.site("alone1"), "blue", "10.2.0.10") == "alone2.blue"
    lab.restore("alone1")
    wait_for(lambda: ctl_json(lab["alone1"], "list-groups")[0]["state"] ==
             "registered", "alone1 to be registered again")


def test_policy_limits_claims_that_there_are(lab):
    """A member that claims too much after a reload is one no more."""
    since = lab["sr"].log_size("charon")
    lab.reconfigure("sr", sr_swanctl(lab.network).replace(
        "allowed_prefixes = 10.0.0.0/8",
        "allowed_prefixes = 10.2.0.0/16"))
    lab["sr"].wait_for_log("charon", "may not go on: it claims 10.1.0.0/24",
                           since)
    lab["sr"].wait_for_log("charon", "refused with REGISTRATION_FAILED", since)
    wait_for_routes(lab, "alone2", "10.3.0.0/24")
    wait_for_routes(lab, "routed", "10.2.0.0/24")
    lab.restore("sr")
    lab.register_again("alone1")
    lab.wait_until_up()


@pytest.mark.long
def test_configuration_is_checked(lab):
    path = "/etc/swanctl/swanctl.conf"
    for prefixes in ("10.1.0.0/24, 10.1.0.0/24", "10.1.0.1/24", "0.0.0.0/0",
                     "10.1.0.0", "224.0.0.0/4"):
        since = lab["alone1"].log_size("charon")
        site = lab.site("alone1")
        lab["alone1"].write(path, member_swanctl(site, lab.network).replace(
            "prefixes = 10.1.0.0/24", f"prefixes = {prefixes}"))
        lab["alone1"].swanctl("--reload-settings")
        lab["alone1"].wait_for_log(
            "charon", f'prefixes = "{prefixes}": must be unicast prefixes',
            since)
        lab["alone1"].wait_for_log("charon", "keeps its previous", since)
    lab.restore("alone1")


def test_a_route_that_covers_the_underlay_is_not_taken(lab):
    """alone2 has underlay and group in one table; alone1 may claim it."""
    since = lab["alone2"].log_size("charon")
    lab.reconfigure("sr", sr_swanctl(lab.network).replace(
        "allowed_prefixes = 10.0.0.0/8",
        "allowed_prefixes = 0.0.0.0/1, 128.0.0.0/1"))
    configure(lab, "alone1", "10.1.0.0/24, 192.0.2.0/24")
    lab["alone2"].wait_for_log("charon", "192.0.2.0/24 of member", since)
    wait_for(lambda: ctl_json(lab["alone2"],
                              "list-groups")[0]["routes-refused"] == 1,
             "it to be counted")
    wait_for_routes(lab, "alone2", "10.1.0.0/24", "10.3.0.0/24")
    lab.restore("alone1")
    lab.restore("sr")
    wait_for(lambda: ctl_json(lab["alone2"],
                              "list-groups")[0]["routes-refused"] == 0,
             "the prefix to be gone")


def test_eviction_takes_the_routes_back(lab):
    """At both kinds of site; and what the others have outlives new keys."""
    epoch = ctl_json(lab["alone2"], "list-groups")[0]["route-epoch"]
    since = lab["routed"].log_size("bgpd")
    ctl(lab["sr"], "evict", "blue", "alone1.example.net")
    wait_for_routes(lab, "alone2", "10.3.0.0/24")
    wait_for_routes(lab, "routed", "10.2.0.0/24")
    wait_for_routes(lab, "alone1")
    wait_for(lambda: ctl_json(lab["alone2"], "list-groups")[0]["route-epoch"]
             > epoch, "the next route epoch")
    lab["routed"].wait_for_log("bgpd", "are not taken any more", since)
    wait_for_routes(lab, "alone2", "10.3.0.0/24")
    wait_for_routes(lab, "routed", "10.2.0.0/24")
    assert lab.answer(lab.site("alone2"), "blue", "10.3.0.10") == "routed.blue"
    ctl(lab["sr"], "readmit", "blue", "alone1.example.net")
    lab.register_again("alone1")
    lab.wait_until_up()
    assert lab.answer(lab.site("alone2"), "blue", "10.1.0.10") == "alone1.blue"


@pytest.mark.long
def test_the_reflectors_bgpd_restarts(lab):
    lab["sr"].bgpd.kill()
    lab["sr"].bgpd.start()
    lab["sr"].load_frr()
    wait_for(lambda: lab.drops("routed") is not None, "bgpd to answer")
    assert "10.3.0.0/24" in lab.routes(lab.site("alone1"), "blue")
    lab.wait_until_up()
    assert lab.answer(lab.site("routed"), "blue", "10.1.0.10") == "alone1.blue"


@pytest.mark.long
def test_the_gcks_restarts(lab):
    """Who comes back first does not lose the routes to those that do not yet."""
    def lists():
        return counters(lab["alone1"], "blue")["lists-received"]
    before, routes = lists(), RouteMonitor(lab["alone1"])
    others = ("alone2", "routed")
    lab["sr"].charon.kill()
    for name in others:
        lab[name].charon.process.send_signal(signal.SIGSTOP)
    try:
        lab["sr"].charon.start()
        lab["sr"].load_swanctl()
        lab.register_again("alone1")
        wait_for(lambda: set(lab.registered("blue")) and
                 counters(lab["sr"], "blue")["registrations"] > 0,
                 "alone1 to be registered again")
        wait_for(lambda: lists() > before, "alone1 to have used the list")
        assert {"10.2.0.0/24", "10.3.0.0/24"} <= lab.routes(
            lab.site("alone1"), "blue")
    finally:
        for name in others:
            lab[name].charon.process.send_signal(signal.SIGCONT)
    for name in others:
        lab.register_again(name)
    wait_for(lambda: len([m for m in ctl_json(lab["sr"], "list-members")
                          if m["state"] == "registered"]) == 3,
             "all to be registered again")
    lab.wait_until_up()
    assert lab.answer(lab.site("alone1"), "blue", "10.3.0.10") == "routed.blue"
    assert not [line for line in routes.lines("10.") if "Deleted" in line]


def the_only_one_registers_again(lab):
    """Nobody else gets routes with the keys; those that it has stay."""
    def lists():
        return counters(lab["alone2"], "blue")["lists-received"]
    before = lists()
    routes = RouteMonitor(lab["alone2"])
    lab.register_again("alone2")
    wait_for(lambda: lists() > before, "the list with the answer")
    assert lab.answer(lab.site("alone2"), "blue", "10.3.0.10") == "routed.blue"
    assert not [line for line in routes.lines("10.3.0.0/24")
                if "Deleted" in line]


@pytest.mark.long
def test_a_site_that_stops_is_withdrawn(lab):
    lab["alone1"].charon.stop()
    wait_for_routes(lab, "alone2", "10.3.0.0/24")
    wait_for_routes(lab, "routed", "10.2.0.0/24")
    the_only_one_registers_again(lab)
    lab["alone1"].charon.start()
    lab["alone1"].load_swanctl()
    lab.wait_until_up()


@pytest.mark.long
def test_over_an_ipv6_backbone(own_lab):
    """The next hop is the IPv6 gateway, of IPv4 routes, too."""
    lab = own_lab(Network(
        groups={"blue": 100}, ipv6=True,
        policy={"blue": ["encap = ipip6", f"address = {SR_ADDRESS6}"]},
        sites=[Site("alone", {"blue": "10.1.0"}, bgp=False),
               Site("routed", {"blue": "10.2.0"})]))
    lab.start()
    lab.wait_until_up()
    alone, routed = lab.network.sites
    route, = (r for r in lab["alone"].ip_json("route show vrf blue")
              if r["dst"] == "10.2.0.0/24")
    assert route["via"]["host"] == routed.gateway
    assert lab.answer(alone, "blue", "10.2.0.10") == "routed.blue"
    assert lab.answer(routed, "blue", "10.1.0.10") == "alone.blue"
