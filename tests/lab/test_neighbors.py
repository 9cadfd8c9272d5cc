# SPDX-License-Identifier: GPL-2.0-or-later
"""Neighbours of an S/R of every kind, with what their operator configures.

The shared network in another arrangement: blue1 and blue2 have one private AS
and are dynamic neighbours (bgp listen range) of one peer-group, dual and red1
are route reflector clients of the S/R's own AS.
"""

import re
import time

import pytest

from bgp_speaker import (ROUTES, Speaker, group_attribute, rd, update,
                         vpnv6_nlri, withdrawal)
from lab import wait_for
from sites import SR_ADDRESS, SR_AS, member_frr, sr_frr
from test_policing import in_place_of_bgpd, route_epoch
from test_restart import everybody_reaches
from test_route_epoch import RouteMonitor
from test_static import run_with

PRIVATE_AS = 4200000001
ARRANGED = ("blue1", "blue2", "red1", "dual")

RESTART_TIME = 20
# So long bgpd says of itself that it has restarted; of two that say so neither
# waits for the other.
STARTUP_TIME = 120
RESTART = f""" bgp graceful-restart
 bgp graceful-restart preserve-fw-state
 bgp graceful-restart restart-time {RESTART_TIME}
 bgp long-lived-graceful-restart stale-time 60
"""


def sr_text(lab):
    """The S/R's frr.conf, as "show running-config" has it."""
    dual, red1 = lab.site("dual").gateway, lab.site("red1").gateway
    clients = "".join(f""" neighbor {x} remote-as {SR_AS}
 neighbor {x} timers 3 9
 neighbor {x} timers connect 2
""" for x in (dual, red1))
    return f"""hostname sr
!
router bgp {SR_AS}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
{RESTART} neighbor SITES peer-group
 neighbor SITES remote-as {PRIVATE_AS}
 neighbor SITES ebgp-multihop 255
 neighbor SITES timers 3 9
 neighbor SITES advertisement-interval 0
{clients} bgp listen range 203.0.113.0/28 peer-group SITES
 group-vpn reflector
 !
 address-family ipv6 vpn
  neighbor SITES activate
  neighbor SITES soft-reconfiguration inbound
  neighbor SITES route-map SITE-IN in
  neighbor SITES route-map SITE-OUT out
  neighbor {dual} activate
  neighbor {dual} addpath-tx-all-paths
  neighbor {dual} route-reflector-client
  neighbor {red1} activate
  neighbor {red1} route-reflector-client
 exit-address-family
exit
!
route-map SITE-IN permit 10
 set local-preference 150
exit
!
route-map SITE-OUT permit 10
 set community 65000:77
exit
!
"""


def member_text(site):
    blue_only = len(site.groups) == 1 and "blue" in site.groups
    asn = PRIVATE_AS if blue_only else SR_AS
    text = member_frr(site).replace(f"router bgp {site.asn}",
                                    f"router bgp {asn}")
    # A graceful restart has neighbours wait for the restarted one's connection:
    # not those that it does not know by address.
    restart = " bgp graceful-restart-disable\n" if blue_only else RESTART
    text = text.replace(" no bgp default ipv4-unicast\n",
                        f" no bgp default ipv4-unicast\n{restart}", 1)
    if blue_only:
        return text.replace(f"  neighbor {SR_ADDRESS} activate\n",
                            f"  neighbor {SR_ADDRESS} activate\n"
                            f"  neighbor {SR_ADDRESS} allowas-in 1\n")
    return text.replace(f" neighbor {SR_ADDRESS} ebgp-multihop\n", "")


def session(host):
    """A site's BGP session with the S/R."""
    return host.bgp_json(f"show bgp neighbors {SR_ADDRESS}")[SR_ADDRESS]


def wait_for_sessions(lab, after=None):
    """All have one, after whatever ended it: until it has ended, and for a
    while after that, the routes in the kernel are those of before."""
    for name in ARRANGED:
        wait_for(lambda n=name: session(lab[n])["bgpState"] == "Established"
                 and session(lab[n])["connectionsEstablished"]
                 > (after or {}).get(n, 0), f"{name}'s BGP session", 60)


def connections(lab):
    return {name: session(lab[name])["connectionsEstablished"]
            for name in ARRANGED}


def begin(lab):
    for name in ARRANGED:
        run_with(lab[name], member_text(lab.site(name)))
    run_with(lab["sr"], sr_text(lab))
    lab.arranged = time.monotonic()
    wait_for_sessions(lab)


def end(lab):
    run_with(lab["sr"], sr_frr(lab.network))
    for name in ARRANGED:
        run_with(lab[name], member_frr(lab.site(name)))
    wait_for_sessions(lab)


@pytest.fixture
def arranged(lab, arrange):
    """The shared network in the arrangement above."""
    arrange(lab, begin, end)
    return lab


def settings(text):
    return sorted(line for line in text.splitlines() if
                  line.startswith(" ") and line.strip() != "!")


def vpn_routes(host):
    """All that bgpd shows of each of its VPN routes."""
    prefixes = set(re.findall(r"([0-9a-f:]+/128)", host.bgp("show bgp ipv6 vpn")))
    return "".join(host.bgp(f"show bgp ipv6 vpn {p}") for p in prefixes)


def test_a_direct_neighbour_is_preferred(lab):
    """A neighbour on the way to members cannot take the place of one that is a
    neighbour itself, whatever it announces."""
    sr, site, blue2 = lab["sr"], lab.site("outsider"), lab.site("blue2")
    lab.wait_until_settled("blue")
    forged = lab.drops("blue1", "blue")["mac"]
    member = lab.registered("blue")["blue2"]
    vpn = "address-family ipv6 vpn"
    sr.configure("route-map BETTER permit 10", "set local-preference 500",
                 "exit", f"router bgp {SR_AS}",
                 f"neighbor {site.gateway} group-vpn transit", vpn,
                 f"neighbor {site.gateway} route-map BETTER in")
    try:
        text = sr.bgp("show bgp ipv6 vpn")
        part = text.split(f"Route Distinguisher: {member['memberId']}:100\n")[1]
        nlri = next(n for n in re.findall(
            r"([0-9a-f:]+)/128", part.split("Route D")[0])
            if not n.startswith("fd67:7670:6e00:"))
        with in_place_of_bgpd(lab["outsider"], lambda: Speaker.connect(
                lab["outsider"], site.gateway, SR_ADDRESS, site.asn)) as session:
            session.send(update(
                site.asn, 100, [vpnv6_nlri(rd(member["memberId"], 100), nlri)],
                group_attribute(ROUTES, 100, member["memberId"],
                                member["senderId"], member["gateway"],
                                route_epoch(lab, "blue1")), blue2.gateway))

            def paths():
                shown = sr.bgp(f"show bgp ipv6 vpn {nlri}/128")
                return shown if "2 available" in shown else ""
            lines = wait_for(paths, "both paths to be there").splitlines()
            best = next(i for i, line in enumerate(lines) if "best (" in line)
            assert f"from {blue2.gateway} " in lines[best - 1], lines
            assert lab.drops("blue1", "blue")["mac"] == forged
            both_paths_reach(lab, session, nlri, vpnv6_nlri(
                rd(member["memberId"], 100), nlri))
    finally:
        sr.configure(f"router bgp {SR_AS}",
                     f"no neighbor {site.gateway} group-vpn transit", vpn,
                     f"no neighbor {site.gateway} route-map BETTER in", "exit",
                     "exit", "no route-map BETTER")


def both_paths_reach(lab, session, nlri, encoded):
    """Two paths of one NLRI go to a neighbour with add-path; with the end of
    one of them the route stays."""
    sr, blue1 = lab["sr"], lab["blue1"]
    vpn = f"router bgp {SR_AS}", "address-family ipv6 vpn"
    line = f"neighbor {lab.site('blue1').gateway} addpath-tx-all-paths"

    def at_blue1():
        return blue1.bgp(f"show bgp ipv6 vpn {nlri}/128")
    assert "1 available" in at_blue1()
    sr.configure(*vpn, line)
    try:
        wait_for(lambda: "2 available" in at_blue1(), "both to be at blue1")
        prefix = lab.site("blue2").lan_prefix("blue")
        lab.wait_until_up()
        monitor = RouteMonitor(blue1)
        session.send(withdrawal(encoded))
        wait_for(lambda: "1 available" in at_blue1(), "one to be left")
        assert prefix in lab.routes(lab.site("blue1"), "blue")
        assert not monitor.lines(prefix)
    finally:
        sr.configure(*vpn, f"no {line}")


def test_neighbors_of_every_kind(arranged):
    lab, sr = arranged, arranged["sr"]
    for name, group in (("blue1", "blue"), ("dual", "blue"), ("red1", "red")):
        everybody_reaches(lab, name, group)
    running = sr.vtysh("show running-config")
    assert settings(running) == settings(sr_text(lab))
    states = {m["identity"].split(".")[0]: m["state"] for m in sr.bgp_json(
        "show bgp group-vpn blue members")["members"]}
    assert states == dict.fromkeys(("blue1", "blue2", "dual"),
                                   "registered, BGP established")
    # What bgpd shows of what it has stored is as it was judged.
    drops, since = lab.drops("sr", "blue"), sr.log_size("bgpd")
    stored = f"show bgp ipv6 vpn neighbors {lab.site('blue1').gateway}"
    shown = sr.bgp_json(f"{stored} received-routes")
    assert shown["totalPrefixCounter"] >= 2  # the member and its prefix
    assert shown["filteredPrefixCounter"] == 0
    assert not sr.bgp_json(f"{stored} filtered-routes")["receivedRoutes"]
    assert lab.drops("sr", "blue") == drops
    assert "dropping" not in sr.log("bgpd", since)
    # The operator's maps work on what ours let pass.
    prefix = lab.site("blue1").lan_prefix("blue")
    assert "localpref 150" in vpn_routes(sr)
    wait_for(lambda: "localpref 150" in vpn_routes(lab["dual"]),
             "the preference to be at a client")
    wait_for(lambda: "65000:77" in vpn_routes(lab["blue1"]),
             "the community to be at a site")
    assert "65000:77" not in vpn_routes(lab["red1"])

    # A soft clear takes nothing away, a hard one comes back.
    monitors = [RouteMonitor(lab[name]) for name in ("blue2", "dual")]
    for command in ("clear bgp * soft", "clear bgp * soft in",
                    "clear bgp * soft out", "clear bgp group-vpn blue soft"):
        sr.vtysh(command)
    lab["blue2"].vtysh("clear bgp * soft")
    # A change that comes after all of that.
    blue1 = lab["blue1"]
    unicast = (f"router bgp {PRIVATE_AS} vrf blue",
               "no bgp network import-check", "address-family ipv4 unicast")
    blue1.configure(*unicast, "network 10.9.9.0/24")
    for name in ("blue2", "dual"):
        wait_for(lambda n=name: "10.9.9.0/24" in
                 lab.routes(lab.site(n), "blue"), f"a new route at {name}")
    for monitor in monitors:
        assert not monitor.lines(prefix)
    blue1.configure(*unicast, "no network 10.9.9.0/24")
    for name in ("blue2", "dual"):
        wait_for(lambda n=name: "10.9.9.0/24" not in
                 lab.routes(lab.site(n), "blue"), f"its end at {name}")
    before = connections(lab)
    sr.vtysh("clear bgp *")
    wait_for_sessions(lab, before)
    lab.wait_until_up()

    # Who registers anew is asked anew, stored copies or not.
    for name in ("blue1", "dual"):
        before = lab.registered("blue")[name]["senderId"]
        lab[name].charon.kill()
        lab[name].charon.start()
        lab[name].load_swanctl()
        wait_for(lambda n=name, b=before: lab.registered("blue")[n]["senderId"]
                 != b, f"{name} to have another Sender-ID", 60)
        lab.wait_until_up()
        everybody_reaches(lab, name, "blue")

    # as-override instead of allowas-in, and back.
    for override, allow in (("", "no "), ("no ", "")):
        before = {name: connections(lab)[name] for name in ("blue1", "blue2")}
        sr.configure(f"router bgp {SR_AS}", "address-family ipv6 vpn",
                     f"{override}neighbor SITES as-override")
        for name in ("blue1", "blue2"):
            lab[name].configure(f"router bgp {PRIVATE_AS}",
                                "address-family ipv6 vpn",
                                f"{allow}neighbor {SR_ADDRESS} allowas-in")
            lab[name].vtysh("clear bgp *")
        wait_for_sessions(lab, before)
        lab.wait_until_up()


@pytest.mark.long
def test_graceful_restart(arranged):
    """While the S/R's bgpd is away no route is lost, within the restart time and
    beyond it (long-lived); when it is back, all are true ones."""
    lab, sr = arranged, arranged["sr"]
    names = ("red1", "dual")

    def prefixes(name):
        return [o.lan_prefix("red") for o in
                lab.network.others(lab.site(name), "red")]

    def established(name):
        return "state = Established" in lab[name].bgp(
            f"show bgp neighbors {SR_ADDRESS}")
    wait_for(lambda: time.monotonic() > lab.arranged + STARTUP_TIME + 2,
             "bgpd not to have restarted", STARTUP_TIME + 10)
    for outage in ("short", "long"):
        monitors = {name: RouteMonitor(lab[name]) for name in names}
        sr.bgpd.kill()
        for name in names:
            wait_for(lambda n=name: not established(n), f"{name} to notice")
        if outage == "long":
            for name in names:
                wait_for(lambda n=name: "llgr-stale" in vpn_routes(lab[n]),
                         f"long-lived stale routes at {name}")
        assert lab.asked(lab.site("red1"), "red", "10.5.0.10") == "dual.red"
        for name, monitor in monitors.items():
            assert not [line for prefix in prefixes(name)
                        for line in monitor.lines(prefix)], (outage, name)
        sr.bgpd.start()
        sr.load_frr()
        for name in names:
            wait_for(lambda n=name: established(n), f"{name} to be back")
            wait_for(lambda n=name: "stale" not in vpn_routes(lab[n]).lower(),
                     f"no stale route at {name}")
        lab.wait_until_up()
