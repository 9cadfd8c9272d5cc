# SPDX-License-Identifier: GPL-2.0-or-later
"""What must not happen at a member, whatever becomes of the rest: packets that
leave in clear, and keys that start over."""

import collections
import contextlib
import re
import signal
import socket
import struct

import pytest

from lab import wait_for
from sites import Network, Site, member_swanctl
from test_restart import (devices, everybody_reaches, installed_exactly,
                          neighbours, start_charon)

# What the plugin marks its routes with.
PROTOCOL = "118"


def ends(host, vrf):
    """Who has made the unreachable default routes of a VRF: IPv4, IPv6."""
    return [[r["protocol"] for r in host.ip_json(f"{family} route show vrf {vrf}")
             if r["dst"] == "default" and r.get("type") == "unreachable"]
            for family in ("-4", "-6")]


@contextlib.contextmanager
def default_route(lab, name):
    """A default route in a site's default table, to the backbone."""
    host, router = lab[name], lab.site(name).router
    host.ip(f"route add default via {router} dev wan")
    try:
        yield
    finally:
        host.ip(f"route del default via {router} dev wan")


def restore_file(lab, name):
    lab[name].write("/etc/swanctl/swanctl.conf",
                    member_swanctl(lab.site(name), lab.network))


def leaks(lab, name, address):
    """How many of a LAN's packets to an address are seen in clear."""
    site = lab.site(name)
    capture = lab.capture(
        lab["b1"], f"to-{name}",
        f"udp port 9 or (icmp and src net {site.lan_prefix('blue')})")
    far = lab.far(site, "blue")
    assert far.ping(address, count=3, wait=1) == 0
    # Told from what came before by being the last to come.
    lab[name].socket().sendto(b"", (site.router, 9))
    wait_for(lambda: capture.count("udp port 9"), "the end of the capture")
    capture.stop()
    return capture.count("icmp")


def test_a_vrf_fails_closed(lab):
    """Without a route to the group a packet is not routed by another table."""
    site, host = lab.site("blue1"), lab["blue1"]
    with default_route(lab, "blue1"):
        assert ends(host, "blue") == [[PROTOCOL], [PROTOCOL]]
        host.bgpd.kill()
        wait_for(lambda: not lab.routes(site, "blue"), "the routes to go")
        assert leaks(lab, "blue1", "10.2.0.10") == 0
        host.bgpd.start()
        host.load_frr()
        # It stays if charon is killed.
        host.charon.kill()
        assert ends(host, "blue") == [[PROTOCOL], [PROTOCOL]]
        # Not registered: the connection is not there.
        file, text = "/etc/swanctl/swanctl.conf", member_swanctl(
            site, lab.network)
        host.write(file, text.replace("gcks = sr", "gcks = none"))
        since = host.log_size("charon")
        start_charon(host)
        host.wait_for_log("charon", "waiting for connection 'none'", since)
        assert leaks(lab, "blue1", "10.2.0.10") == 0
        # And if it is stopped, until another one knows that it has to go: a
        # group that can not be read may still be the one.
        assert host.charon.stop() == 0
        assert ends(host, "blue") == [[PROTOCOL], [PROTOCOL]]
        assert leaks(lab, "blue1", "10.2.0.10") == 0
        host.write(file, text.replace("id = 100", "id = none"))
        since = host.log_size("charon")
        start_charon(host)
        host.wait_for_log("charon", "group 'blue' is not loaded", since)
        assert ends(host, "blue") == [[PROTOCOL], [PROTOCOL]]
        since = host.log_size("charon")
        lab.reconfigure("blue1", text.replace(
            "gcks = sr", "gcks = none\nfail = open"))
        host.wait_for_log("charon", "of 1 VRFs", since)
        assert ends(host, "blue") == [[], []]
        # One of the operator's is as good, and his.
        host.ip("route add unreachable default metric 4278198272 "
                "proto static vrf blue")
        lab.restore("blue1")
        lab.wait_until_up()
        assert ends(host, "blue") == [["static"], [PROTOCOL]]
        # An end of the membership is not one of the protection.
        since = host.log_size("charon")
        lab.reconfigure("blue1", member_swanctl(site, lab.network).replace(
            "gcks = sr", "gcks = sr\ndevice = gv-new"))
        host.wait_for_log("charon", "is down: its device or VRF", since)
        assert ends(host, "blue") == [["static"], [PROTOCOL]]
        assert host.charon.stop() == 0
        assert ends(host, "blue") == [["static"], [PROTOCOL]]
        host.ip("route del unreachable default metric 4278198272 vrf blue")
    restore_file(lab, "blue1")
    start_charon(host)


@pytest.mark.long
def test_expired_keys_leave_the_device(own_lab):
    """Whatever still has a route to it does not leave in clear, except where
    the operator wanted that."""
    lab = own_lab(Network(
        groups={"blue": 100},
        policy={"blue": ("lifetime = 10s", "atd = 1s", "dtd = 2s")},
        sites=[Site("blue1", {"blue": "10.1.0"}, vrfs=False),
               Site("blue2", {"blue": "10.2.0"}, vrfs=False),
               Site("open", {"blue": "10.3.0"},
                    options={"blue": ("fail = open",)})]))
    lab.start()
    lab.wait_until_up()
    host = lab["blue1"]
    assert ends(lab["open"], "blue") == [[], []]
    with default_route(lab, "open"):
        # As long as there are keys nothing is different.
        everybody_reaches(lab, "open", "blue")
    host.ip("route add 10.2.0.0/24 via 203.0.113.10 dev gv-blue onlink metric 9")
    lab["sr"].charon.kill()
    host.wait_for_log("charon", "its keys have expired")
    wait_for(lambda: not host.states(), "the states to go")
    assert devices(host) == {"gv-blue"} and len(host.policies()) == 2
    assert not neighbours(host)
    with default_route(lab, "blue1"):
        assert leaks(lab, "blue1", "10.2.0.10") == 0
    wait_for(lambda: not devices(lab["open"]) and not lab["open"].policies(),
             "nothing to be left of a group that fails open")
    with default_route(lab, "open"):
        assert leaks(lab, "open", "10.2.0.10") == 3
    start_charon(lab["sr"])
    lab.wait_until_up()
    everybody_reaches(lab, "blue1", "blue")


class ControlSocket:
    """One more client of a member's charon, as bgpd is one."""

    def __init__(self, host):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(60)
        self.socket.connect(str(host.outside("/run/charon.groupvpn.ctl")))
        self.send(1)

    def send(self, kind, *fields):
        body = b"".join(struct.pack("!HH", t, len(v)) + v for t, v in fields)
        self.socket.send(struct.pack("!BBHI", 1, kind, 0, 1) + body)

    def peer(self, group_id, member_id, sender_id, gateway):
        """Tells of a member; returns whether charon says it is ready."""
        identity = ((1, struct.pack("!I", group_id)),
                    (2, struct.pack("!H", member_id)),
                    (3, struct.pack("!I", sender_id)[1:]))
        self.send(20, *identity, (4, socket.inet_aton(gateway)))
        while True:
            fields = self.fields(self.socket.recv(4096))
            if all(fields.get(t) == v for t, v in identity) and 15 in fields:
                return fields[15] == b"\x01"

    @staticmethod
    def fields(message):
        at, result = 8, {}
        while at + 4 <= len(message):
            kind, size = struct.unpack_from("!HH", message, at)
            result[kind] = message[at + 4:at + 4 + size]
            at += 4 + size
        return result


def states_since(host):
    """When each state was made, by epoch: one that is made again starts at
    zero."""
    found = collections.defaultdict(set)
    for state in host.states():
        found[state["spi"] >> 24].add((
            state["spi"], state["dst"],
            re.search(r"add (\S+ \S+)", state["text"])[1]))
    return found


def test_an_old_route_takes_no_keys_away(lab):
    """A member's route of before its restart, replayed on the way."""
    host, other = lab["blue1"], lab.site("blue2")
    old = lab.registered("blue")["blue2"]
    lab["blue2"].charon.kill()
    start_charon(lab["blue2"])
    new = wait_for(lambda: next(
        (m for m in [lab.registered("blue")["blue2"]]
         if m["senderId"] != old["senderId"]), None), "a new Sender-ID")
    assert new["senderId"] > old["senderId"]
    everybody_reaches(lab, "blue1", "blue")
    before = states_since(host)
    client = ControlSocket(host)
    with client.socket:
        for sender_id, ready in ((old["senderId"], False),
                                 (new["senderId"], True)):
            assert client.peer(100, new["memberId"], sender_id,
                               other.gateway) == ready

    def as_before():
        """Epochs may come and go all the same."""
        now = states_since(host)
        common = before.keys() & now.keys()
        return common and all(before[tag] == now[tag] for tag in common)
    wait_for(as_before, "all states to be those of before", 5)
    everybody_reaches(lab, "blue1", "blue")


def test_a_late_answer_does_not_bring_keys_back(lab):
    """The GCKS answers a registration of before the group was taken down."""
    site, host, sr = lab.site("blue1"), lab["blue1"], lab["sr"]
    far = lab.far(site, "blue")
    lab.is_reached(site, "blue", "10.2.0.10")
    before = host.key_digests()
    text = member_swanctl(site, lab.network)
    sr.charon.process.send_signal(signal.SIGSTOP)
    try:
        for gcks in ("gcks = sr, none", "gcks = sr, none\ndevice = gv-new"):
            since = host.log_size("charon")
            host.write("/etc/swanctl/swanctl.conf",
                       text.replace("gcks = sr", gcks))
            host.run("swanctl", "--reload-settings")
            host.wait_for_log("charon", "(100) changed", since)
            if "device" not in gcks:
                host.wait_for_log("charon", "INFORMATIONAL request", since)
    finally:
        sr.charon.process.send_signal(signal.SIGCONT)
    wait_for(lambda: devices(host) == {"gv-new"} and host.states(),
             "the states of the other device")
    assert not host.key_digests() & before, "a key was used again"
    wait_for(lambda: far.ping("10.2.0.10") == 3, "blue2 to be reached")
    lab.restore("blue1")
    lab.wait_until_up()
    everybody_reaches(lab, "blue1", "blue")


def test_a_device_that_was_not_finished_is_replaced(lab):
    """charon was killed after it had created the device."""
    site, host = lab.site("blue1"), lab["blue1"]
    assert host.charon.stop() == 0
    host.ip(f"link add gv-blue type gre local {site.gateway} key 100")
    start_charon(host)
    lab.wait_until_up()
    wait_for(lambda: installed_exactly(lab, "blue1"), "just what should be")
    everybody_reaches(lab, "blue1", "blue")
