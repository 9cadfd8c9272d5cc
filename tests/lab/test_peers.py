# SPDX-License-Identifier: GPL-2.0-or-later
"""Members that name the members they want to know."""

import re

from bgp_speaker import MEMBER_PREFIX, UPDATE, Speaker, changes
from lab import wait_for
from sites import SR_ADDRESS, member_swanctl
from test_policing import in_place_of_bgpd
from test_route_epoch import RouteMonitor


def naming(lab, name, peers):
    text = member_swanctl(lab.site(name), lab.network)
    blue, rest = text.split("    blue {\n", 1)
    return f"{blue}    blue {{\n        peers = {peers}\n{rest}"


def knows(lab, name, *others):
    """Waits until a site has the blue routes of these others and no more."""
    wanted = {lab.site(o).lan_prefix("blue") for o in others}
    wait_for(lambda: lab.routes(lab.site(name), "blue") == wanted,
             f"{name} to know {others or 'nobody'}, and no others", 60)


def together(lab):
    """The sites that have an update-group in common at the S/R, of all groups
    that there are for VPNv6."""
    names = {site.gateway: site.name for site in lab.network.sites}
    text = lab["sr"].bgp("show bgp ipv6 vpn update-groups")
    found = [{names[address] for address in re.findall(r"^ +- (\S+)", part, re.M)}
             for part in text.split("Update-group ")[1:]]
    return sorted(map(sorted, filter(None, found)))


def test_who_knows_the_same_shares_an_update_group(lab):
    """So that a route is written once for all of them."""
    one_each = [["blue1", "blue2"], ["dual"], ["outsider"], ["red1"]]
    wait_for(lambda: together(lab) == one_each,
             f"one for each set of groups: {one_each}", 10)
    lab.reconfigure("dual", naming(lab, "dual", "blue1.example.net"))
    apart = [["blue1"], ["blue2"], ["dual"], ["outsider"], ["red1"]]
    wait_for(lambda: together(lab) == apart,
             "one more for whom dual does not name", 10)
    lab.restore("dual")
    wait_for(lambda: together(lab) == one_each, "as it was before", 10)


class Listener:
    """What the S/R sends to a member, from one look to the next."""

    def __init__(self, lab, session):
        self.lab = lab
        self.session = session
        self.seen = 0
        self.looks = 0
        self.mark_by("no bgp network import-check")

    def mark_by(self, *commands):
        self.lab["blue1"].configure(
            f"router bgp {self.lab.site('blue1').asn} vrf blue", *commands)

    def heard(self, since=0):
        """Whether each message is an UPDATE, what it announces, and what it
        withdraws."""
        return [(kind == UPDATE, *(changes(body) if kind == UPDATE
                                   else ([], [])))
                for kind, body in self.session.received[since:]]

    def announced(self, since=0):
        return {route for _, some, _ in self.heard(since) for route in some}

    def withdrawn(self, since=0):
        return {route for _, _, some in self.heard(since) for route in some}

    def look(self):
        """Numbers of UPDATEs and of requests for routes, what was announced
        and what was withdrawn; up to now, which a route of blue1's marks that
        comes and goes."""
        self.looks += 1
        rd = f"{self.lab.registered('blue')['blue1']['memberId']}:100"
        before = self.announced()
        prefix = f"network 10.99.{self.looks}.0/24"

        def mark():
            new = {r for r in self.announced() - before if r[0] == rd}
            return new if len(new) == 1 else None
        self.mark_by("address-family ipv4 unicast", prefix)
        marks = wait_for(mark, "the mark to come")
        self.mark_by("address-family ipv4 unicast", f"no {prefix}")
        wait_for(lambda: marks & self.withdrawn(self.seen), "it to go")
        messages = self.heard(self.seen)
        self.seen += len(messages)
        updates = [([r for r in a if r not in marks],
                    [r for r in w if r not in marks])
                   for is_update, a, w in messages if is_update]
        return (sum(1 for a, w in updates if a or w),
                sum(not is_update for is_update, *_ in messages),
                sorted(r for a, _ in updates for r in a),
                sorted(r for _, w in updates for r in w))


def test_a_changed_list_sends_exactly_the_difference(lab):
    """Counted at blue2, which shares an update-group with blue1 before."""
    site = lab.site("blue2")
    lab.wait_until_settled("blue")
    dual = f"{lab.registered('blue')['dual']['memberId']}:100"
    with in_place_of_bgpd(lab["blue2"], lambda: Speaker.connect(
            lab["blue2"], site.gateway, SR_ADDRESS, site.asn)) as session:
        listener = Listener(lab, session)
        wait_for(lambda: len(listener.announced()) == 5,
                 "the descriptor and two routes of each other member")
        _, _, table, _ = listener.look()
        ours = [route for route in table if route[0] == dual]
        assert len(ours) == 2 and (dual, MEMBER_PREFIX) in ours
        # dual knows blue2 no more: its two routes go, and nothing else comes.
        lab.reconfigure("dual", naming(lab, "dual", "blue1.example.net"))
        wait_for(lambda: listener.withdrawn(listener.seen),
                 "dual's routes to be withdrawn")
        updates, asked, announced, withdrawn = listener.look()
        assert (withdrawn, announced, asked) == (ours, [], 0)
        print(f"a list without us: {updates} UPDATEs, 2 routes withdrawn")
        # dual knows it again: they come, it is asked for its own.
        lab.reconfigure("dual", naming(
            lab, "dual", f"blue1.example.net, {site.gateway}"))
        wait_for(lambda: listener.announced(listener.seen),
                 "dual's routes to come")
        updates, asked, announced, withdrawn = listener.look()
        assert (announced, withdrawn) == (ours, [])
        assert asked > 0
        print(f"a list with us: {updates} UPDATEs, 2 routes announced")
        # A list that changes nothing for it sends it nothing.
        lab.reconfigure("dual", naming(
            lab, "dual", "blue1.example.net, blue2.example.net"))
        wait_for(lambda: "blue2.example.net" in
                 lab.registered("blue")["dual"].get("peers", ""),
                 "the S/R to have the list")
        updates, _, announced, withdrawn = listener.look()
        assert (updates, announced, withdrawn) == (0, [], [])
        listener.mark_by("bgp network import-check")
        lab.restore("dual")
    lab.wait_until_up()


def test_members_that_name_each_other(lab):
    blue1, sr = lab["blue1"], lab["sr"]
    lab.wait_until_settled("blue")
    before = lab.registered("blue")["blue1"]
    monitor = RouteMonitor(blue1)
    lab.reconfigure("blue1", naming(lab, "blue1", "BLUE2.example.net"))
    knows(lab, "blue1", "blue2")
    knows(lab, "blue2", "blue1", "dual")
    knows(lab, "dual", "blue2")
    # Exactly the difference: what stays was not touched.
    assert not monitor.lines("10.2.0.0/24")
    after = lab.registered("blue")["blue1"]
    assert after["senderId"] == before["senderId"]
    lab.wait_until_reached("blue1", "blue2", "blue")
    # It is bgpd that does not pass the routes on, also to a new session.
    sr.vtysh(f"clear bgp {lab.site('dual').gateway}")
    knows(lab, "dual", "blue2")

    # Whom the other does not name it gets nothing of.
    lab.reconfigure("dual", naming(lab, "dual", "blue1.example.net"))
    knows(lab, "dual")
    knows(lab, "blue2", "blue1")
    knows(lab, "blue1", "blue2")
    # Both name each other, one by its gateway's address.
    lab.reconfigure("blue1", naming(
        lab, "blue1", f"blue2.example.net, {lab.site('dual').gateway}"))
    knows(lab, "blue1", "blue2", "dual")
    knows(lab, "dual", "blue1")
    knows(lab, "blue2", "blue1")
    # Somebody leaves the group of those that know it, and comes back.
    lab["dual"].charon.stop()
    knows(lab, "blue1", "blue2")
    lab["dual"].charon.start()
    lab["dual"].load_swanctl()
    knows(lab, "blue1", "blue2", "dual")

    since = blue1.log_size("charon")
    lab.reconfigure("blue1", naming(lab, "blue1", '","'))
    blue1.wait_for_log("charon", "must be identities, labels or gateway "
                       "addresses of members, separated by commas, at most "
                       "1000", since)
    knows(lab, "blue1", "blue2", "dual")
    for name in ("blue1", "dual"):
        lab.restore(name)
    lab.wait_until_up()
