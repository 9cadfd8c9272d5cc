#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration: an S/R, six sites in two groups, and an outsider.

Everything is told to the daemons by the configuration files that sites.py
writes; no key, peer or route is configured by hand.  Ends in a table of what
was found; the exit status is 0 if all of it is as it should be.
"""

import argparse
import os
import sys
import time

from lab import LabError, wait_for
from sites import Network, Site, build

GROUPS = {"blue": 100, "red": 200}
# red1's LAN has blue1's prefix, and both LANs of dual have the same one.
NETWORK = Network(groups=GROUPS, sites=[
    Site("blue1", {"blue": "10.1.0"}),
    Site("blue2", {"blue": "10.2.0"}, vrfs=False, credential="pubkey"),
    Site("blue3", {"blue": "10.3.0"}, credential="pubkey"),
    Site("red1", {"red": "10.1.0"}),
    Site("dual", {"blue": "10.5.0", "red": "10.5.0"}),
    Site("outsider", {"blue": "10.6.0"}, authorised=False),
])
# What may be on the backbone.
ALLOWED = "udp port 500 or udp port 4500 or tcp port 179 or esp or arp"
NEW_LAN = "10.33.0"

started = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - started:5.1f} s] {text}", flush=True)


class Table:
    """Lines of a check, what was found, and whether that is right."""

    def __init__(self):
        self.rows = []

    def add(self, what, found, good):
        self.rows.append((what, str(found), bool(good)))

    @property
    def good(self):
        return all(good for _, _, good in self.rows)

    def print(self):
        colour = os.environ.get("GROUPVPN_COLOUR") == "yes"
        width = max(len(what) for what, _, _ in self.rows)
        found_width = max(len(found) for _, found, _ in self.rows)
        line = "-" * (width + found_width + 10)
        print(line)
        for what, found, good in self.rows:
            verdict = "ok" if good else "FAIL"
            if colour:
                verdict = f"\033[{32 if good else 31}m{verdict}\033[0m"
            print(f"{what:<{width}}  {found:<{found_width}}  {verdict}")
        print(line)


def check_registrations(lab, table):
    """Who is registered at the S/R, and that the outsider is not."""
    for group in GROUPS:
        state = lab["sr"].bgp_json(f"show bgp group-vpn {group}")
        epoch = state["groups"][group]["epoch"]
        listed = lab["sr"].bgp_json(f"show bgp group-vpn {group} members")
        found = sorted(m["identity"].split(".")[0] for m in listed["members"])
        expected = sorted(s.name for s in NETWORK.members(group))
        table.add(f"{group} (ID {GROUPS[group]}): registered at the S/R, "
                  f"epoch {epoch}", ", ".join(found), found == expected)


def check_reachability(lab, table):
    """Every site of a group pings and names every other."""
    for group in GROUPS:
        for site in NETWORK.members(group):
            results, good = [], True
            for other in NETWORK.others(site, group):
                address = other.end_host_address(group)
                answered = lab.far(site, group).ping(address)
                name = lab.asked(site, group, address)
                right = answered == 3 and name == f"{other.name}.{group}"
                good &= right
                results.append(f"{other.name} {answered}/3"
                               + ("" if right else f" ({name})"))
            table.add(f"{group}: LAN of {site.name} pings LAN of",
                      ", ".join(results), good)


def check_isolation(lab, table):
    """The same address is another host in another group."""
    for site, group, expected in (("dual", "red", "red1.red"),
                                  ("dual", "blue", "blue1.blue"),
                                  ("blue2", "blue", "blue1.blue")):
        answer = lab.asked(lab.site(site), group, "10.1.0.10")
        table.add(f"10.1.0.10 asked from {site}'s LAN in {group}: who answers",
                  answer, answer == expected)
    answer = lab.asked(lab.site("red1"), "red", "10.2.0.10")
    table.add("10.2.0.10 (blue only) asked from red1: who answers",
              answer or "nobody", answer is None)


def check_outsider(lab, table):
    outsider = lab["outsider"]
    answer = lab.asked(lab.site("outsider"), "blue", "10.1.0.10")
    table.add("10.1.0.10 asked from the outsider: who answers",
              answer or "nobody", answer is None)
    identity = lab.site("outsider").identity
    refusals = [line for line in lab["sr"].log("charon").splitlines()
                if identity in line and "refus" in line.lower()]
    reason = refusals[-1].rpartition("refused with ")[2] if refusals else ""
    table.add("outsider: refused, the S/R logs", reason or "nothing", refusals)
    states = len(outsider.states())
    table.add("outsider: kernel states and routes",
              f"{states}, {len(lab.routes(lab.site('outsider'), 'blue'))}",
              states == 0)


def check_kernel(lab, table):
    """States grow with the peers heard, policies with the groups only."""
    for site in NETWORK.sites:
        if not site.authorised:
            continue
        host = lab[site.name]
        pairs = sum(len(NETWORK.others(site, g)) for g in site.groups)
        states, policies = host.states(), host.policies()
        windows = all(s["replay_window"] for s in states
                      if s["dst"] == site.gateway)
        table.add(f"{site.name}: {len(site.groups)} group(s), kernel states / "
                  "policies, anti-replay",
                  f"{len(states)} / {len(policies)}, {'on' if windows else 'OFF'}",
                  len(states) == 2 * pairs
                  and len(policies) == 2 * len(site.groups) and windows)


def check_backbone(captures, table):
    for name, capture in captures.items():
        capture.stop()
        esp = capture.count("esp")
        clear = capture.count(f"not ({ALLOWED})")
        table.add(f"backbone router {name}: packets in clear other than IKE "
                  "and BGP", f"{clear} (besides {esp} ESP)",
                  clear == 0 and esp > 0)
        for line in capture.lines(f"not ({ALLOWED})", "-c", "5"):
            print(f"    in clear: {line}")


def check_changes(lab, table):
    """A LAN that goes and one that comes are followed by the others."""
    site = lab.site("blue3")
    host = lab[site.name]
    prefix, new = site.lan_prefix("blue"), f"{NEW_LAN}.0/24"
    others = NETWORK.others(site, "blue")

    def instance(*commands):
        host.configure(f"router bgp {site.asn} vrf blue",
                       "address-family ipv4 unicast", *commands)

    def follow(what, condition):
        began = time.monotonic()
        try:
            wait_for(lambda: all(condition(lab.routes(o, "blue"))
                                 for o in others), what)
            table.add(what, f"{len(others)} others in "
                      f"{time.monotonic() - began:.1f} s", True)
        except LabError:
            missing = [o.name for o in others
                       if not condition(lab.routes(o, "blue"))]
            table.add(what, f"not at {', '.join(missing)}", False)

    say(f"blue3 stops announcing {prefix}")
    instance(f"no network {prefix}")
    follow(f"{prefix} removed at blue3: gone at the others",
           lambda routes: prefix not in routes)
    say(f"blue3 gets a new LAN, {new}")
    host.ip(f"addr add {NEW_LAN}.1/24 dev lan-blue")
    lab.far(site, "blue").ip(f"addr add {NEW_LAN}.10/24 dev eth0")
    instance(f"network {new}", f"network {prefix}")
    follow(f"{new} added at blue3: there at the others",
           lambda routes: {new, prefix} <= routes)
    answer = lab.asked(lab.site("blue1"), "blue", f"{NEW_LAN}.10")
    table.add(f"{NEW_LAN}.10 asked from blue1's LAN: who answers",
              answer, answer == "blue3.blue")


def run(lab):
    table = Table()
    captures = {router.name: lab.capture(router) for router in lab.backbone}
    lab.start(say)
    say("waiting for registration, discovery and routes")
    lab.wait_until_up(say=say)
    wait_for(lambda: "refus" in lab["sr"].log("charon").lower(),
             "the S/R to refuse the outsider", 15)
    say("everybody pings everybody")
    check_registrations(lab, table)
    check_reachability(lab, table)
    say("isolation, the outsider, the kernels")
    check_isolation(lab, table)
    check_outsider(lab, table)
    check_kernel(lab, table)
    check_changes(lab, table)
    check_backbone(captures, table)
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    say("building namespaces: backbone, S/R, six sites, their LANs")
    with build(NETWORK) as lab:
        try:
            table = run(lab)
        except (LabError, KeyError) as error:
            say(f"failed: {error}")
            say(f"logs are in {lab.collect('demo')}")
            return 1
        if not table.good:
            say(f"logs are in {lab.collect('demo')}")
        table.print()
        say("all as it should be" if table.good else "NOT all as it should be")
        return 0 if table.good else 1


if __name__ == "__main__":
    sys.exit(main())
