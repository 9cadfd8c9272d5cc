# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever happens in whatever order, each member's table is what it should be.

Rounds of random operations: sites leave and join groups, announce and withdraw
prefixes, lose and get back their BGP sessions, restart charon, and the
group gets new keys.  After each round the tables of all members must come to
what a model of a dozen lines says.

The seed is in the test's name. To have the same operations again, or more:

    make check-random SEED=4711 SECONDS=600
"""

import collections
import os
import random
import time

import pytest

from lab import wait_for
from sites import SR_ADDRESS, member_swanctl
from test_management import ctl
from test_restart import start_charon

SECONDS = float(os.environ.get("GROUPVPN_RANDOM_SECONDS") or 60)
SEED = int(os.environ.get("GROUPVPN_RANDOM_SEED") or
           random.SystemRandom().randint(1, 99999))
ROUNDS, SHORT_SEED = 4, 2630
AT_ONCE = 3
EXTRA = range(3)


class Model:
    """What has been done to the sites, and what follows for their tables."""

    def __init__(self, network):
        self.network = network
        self.sites = [s for s in network.sites if s.authorised]
        self.joined = {s.name: set(s.groups) for s in self.sites}
        self.announced = collections.defaultdict(set)
        for site in self.sites:
            for group in site.groups:
                self.announced[site.name, group].add(site.lan_prefix(group))
        self.cut = set()

    def routes(self, site, group):
        """The prefixes that a site has over the group's device."""
        def present(other):
            return group in self.joined[other.name] and \
                other.name not in self.cut
        if group not in site.groups or not present(site):
            return set()
        return set().union(*(
            self.announced[o.name, group] for o in self.sites
            if o is not site and group in o.groups and present(o)))


class Operations:
    """Each does something to the lab and to the model alike."""

    def __init__(self, lab, model, choose):
        self.lab = lab
        self.model = model
        self.choose = choose

    def frr(self, site, group, *commands):
        vrf = site.vrf(group)
        self.lab[site.name].configure(
            f"router bgp {site.asn}" + (f" vrf {vrf}" if vrf else ""),
            "address-family ipv4 unicast", *commands)

    def set_groups(self, site, groups):
        self.lab.reconfigure(site.name, member_swanctl(
            site, self.lab.network, [g for g in site.groups if g in groups]))
        self.model.joined[site.name] = set(groups)

    def set_announced(self, site, group, number, on):
        address = f"10.{100 + site.number}.{number}.1/24"
        prefix = address.replace(".1/", ".0/")
        if (prefix in self.model.announced[site.name, group]) == on:
            return
        verb, no = ("add", "") if on else ("del", "no ")
        self.lab[site.name].ip(f"addr {verb} {address} dev lan-{group}")
        self.frr(site, group, f"{no}network {prefix}")
        (set.add if on else set.remove)(
            self.model.announced[site.name, group], prefix)

    def set_session(self, site, on):
        if (site.name not in self.model.cut) == on:
            return
        self.lab[site.name].configure(
            f"router bgp {site.asn}",
            f"{'no ' if on else ''}neighbor {SR_ADDRESS} shutdown")
        (self.model.cut.discard if on else self.model.cut.add)(site.name)

    # What may happen; each returns how it is told.

    def join_or_leave(self, site, group):
        groups = self.model.joined[site.name] ^ {group}
        self.set_groups(site, groups)
        return f"{site.name} {'joins' if group in groups else 'leaves'} {group}"

    def announce_or_withdraw(self, site, group):
        number = self.choose.choice(EXTRA)
        on = f"10.{100 + site.number}.{number}.0/24" not in \
            self.model.announced[site.name, group]
        self.set_announced(site, group, number, on)
        return f"{site.name} {'announces' if on else 'withdraws'} prefix " \
               f"{number} in {group}"

    def cut_or_restore(self, site, _group):
        on = site.name in self.model.cut
        self.set_session(site, on)
        return f"{site.name}'s BGP session {'returns' if on else 'is cut'}"

    def flap(self, site, _group):
        self.lab[site.name].vtysh("clear bgp *")
        return f"{site.name}'s BGP session flaps"

    def restart_charon(self, site, _group):
        self.lab[site.name].charon.kill()
        start_charon(self.lab[site.name])
        return f"{site.name}'s charon is killed"

    def rekey(self, _site, group):
        ctl(self.lab["sr"], "rekey", group)
        return f"{group} gets new keys"

    WEIGHTS = {"join_or_leave": 4, "announce_or_withdraw": 5,
               "cut_or_restore": 3, "flap": 2, "restart_charon": 1, "rekey": 2}

    def any(self):
        site = self.choose.choice(self.model.sites)
        group = self.choose.choice(sorted(site.groups))
        name, = self.choose.choices(list(self.WEIGHTS), self.WEIGHTS.values())
        return getattr(self, name)(site, group)

    def undo(self):
        """The network as it is described."""
        for site in self.model.sites:
            for group in site.groups:
                for number in EXTRA:
                    self.set_announced(site, group, number, False)
            self.set_session(site, True)
            if self.model.joined[site.name] != set(site.groups):
                self.set_groups(site, site.groups)


def settle(lab, model, timeout=60):
    for site in model.sites:
        for group in site.groups:
            expected = model.routes(site, group)
            wait_for(lambda s=site, g=group, e=expected:
                     lab.routes(s, g) == e,
                     f"{site.name} to have {sorted(expected)} in {group}; it "
                     f"has {sorted(lab.routes(site, group))}", timeout)


def check_a_pair(lab, model, choose):
    """Packets go where the tables say."""
    pairs = [(s, o, g) for s in model.sites for g in s.groups
             for o in model.sites if o is not s and g in o.groups
             and o.lan_prefix(g) in model.routes(s, g)]
    if pairs:
        site, other, group = choose.choice(pairs)
        wait_for(lambda: lab.asked(site, group, other.end_host_address(group))
                 == f"{other.name}.{group}",
                 f"{site.name} to reach {other.name} in {group}", 20)


def follow(lab, seed, more):
    """Rounds of operations as long as more() says so."""
    choose = random.Random(seed)
    model = Model(lab.network)
    operations = Operations(lab, model, choose)
    try:
        while more():
            for _ in range(choose.randint(1, AT_ONCE)):
                print(operations.any())
            settle(lab, model)
            check_a_pair(lab, model, choose)
            print("settled")
    finally:
        operations.undo()
    settle(lab, model)


def test_tables_follow_a_few_operations(lab):
    """Always the same ones: each kind at least once."""
    rounds = iter(range(ROUNDS))
    follow(lab, SHORT_SEED, lambda: next(rounds, None) is not None)


@pytest.mark.long
@pytest.mark.parametrize("seed", (SEED,))
def test_tables_follow_random_operations(lab, seed):
    end = time.monotonic() + SECONDS
    follow(lab, seed, lambda: time.monotonic() < end)
