# SPDX-License-Identifier: GPL-2.0-or-later
"""Graceful restart where each site is its own AS and its neighbour is some hops
away; test_neighbors has sites in the S/R's AS."""

import re
import time

import pytest

from lab import wait_for
from sites import SR_ADDRESS, member_frr, sr_frr
from test_neighbors import RESTART, STARTUP_TIME, vpn_routes
from test_restart import everybody_reaches
from test_route_epoch import RouteMonitor
from test_static import run_with


def test_graceful_restart_of_a_member(lab):
    """Both ways packets flow while it is away; what went meanwhile goes when it
    has learnt all again, and not before."""
    site, host, blue1 = lab.site("dual"), lab["dual"], lab["blue1"]
    kept, gone = "10.1.0.0/24", "10.99.7.0/24"
    at_blue1 = (f"router bgp {lab.site('blue1').asn} vrf blue",
                "no bgp network import-check", "address-family ipv4 unicast")
    text, line = member_frr(site), " no bgp default ipv4-unicast\n"
    graceful = text.replace(line, f"""{line} bgp graceful-restart
 bgp graceful-restart preserve-fw-state
""", 1)

    def routes():
        return {r["dst"] for r in host.ip_json("route show vrf blue")}
    run_with(host, graceful)
    lab.wait_until_up()
    blue1.configure(*at_blue1, f"network {gone}")
    try:
        wait_for(lambda: gone in routes(), "a route that is to go")
        # Of the second in which bgpd dies zebra does not know what is old.
        wait_for(lambda: not re.search(r"update 00:00:0[01] ago", host.vtysh(
            f"show ip route vrf blue {gone}")), "zebra to have it for a while")
        monitor = RouteMonitor(host)
        host.bgpd.kill()
        assert lab.asked(site, "blue", "10.1.0.10") == "blue1.blue"
        blue1.configure(*at_blue1, f"no network {gone}")
        assert {kept, gone} <= routes()
        host.bgpd.start()
        host.load_frr()
        wait_for(lambda: gone not in routes(), "it to go", 30)
        lab.wait_until_up()
        assert not [x for x in monitor.lines(kept) if "Deleted" in x]
        everybody_reaches(lab, "dual", "blue")
    finally:
        blue1.vtysh("configure terminal", *at_blue1, f"no network {gone}",
                    "exit-address-family", "bgp network import-check",
                    check=False)
        run_with(host, text)
    lab.wait_until_up()


@pytest.mark.long
def test_graceful_restart_of_the_reflector(lab):
    """Over eBGP sessions of some hops, into a VRF and into the default table."""
    sites, sr = [lab.site(name) for name in ("blue1", "blue2")], lab["sr"]
    line = " no bgp default ipv4-unicast\n"
    texts = {site.name: member_frr(site) for site in sites}
    texts["sr"] = sr_frr(lab.network)
    for name, text in texts.items():
        run_with(lab[name], text.replace(line, line + RESTART, 1))
    begin = time.monotonic()

    def established(name):
        return "state = Established" in lab[name].bgp(
            f"show bgp neighbors {SR_ADDRESS}")
    try:
        lab.wait_until_up()
        wait_for(lambda: time.monotonic() > begin + STARTUP_TIME + 2,
                 "bgpd not to have restarted", STARTUP_TIME + 10)
        monitors = [RouteMonitor(lab[site.name]) for site in sites]
        sr.bgpd.kill()
        for site in sites:
            wait_for(lambda n=site.name: not established(n),
                     f"{site.name} to notice")
        assert lab.asked(sites[0], "blue", "10.2.0.10") == "blue2.blue"
        for other, monitor in zip(reversed(sites), monitors):
            assert not monitor.lines(other.lan_prefix("blue"))
        sr.bgpd.start()
        sr.load_frr()
        for site in sites:
            wait_for(lambda n=site.name: established(n), f"{site.name}'s session")
            wait_for(lambda n=site.name: "stale" not in
                     vpn_routes(lab[n]).lower(), f"no stale route at {site.name}")
        lab.wait_until_up()
        everybody_reaches(lab, "blue1", "blue")
    finally:
        for name, text in texts.items():
            run_with(lab[name], text)
    lab.wait_until_up()
