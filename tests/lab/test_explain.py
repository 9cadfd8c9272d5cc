# SPDX-License-Identifier: GPL-2.0-or-later
"""show bgp group-vpn NAME explain: where it stops, for each place it can."""

import contextlib
import json
import socket
import struct
import threading

from lab import wait_for
from test_management import ctl
from test_route_epoch import asked_of_charon

STEPS = ["charon", "registration", "epoch", "S/R", "member", "SA", "route",
         "kernel"]
AT_SR = ["charon", "group", "member", "neighbor", "route"]


def explain(host, group, target):
    return host.bgp_json(f"show bgp group-vpn {group} explain {target}")


def stops_at(host, group, target, step, reason):
    """Waits until it stops there, and returns what there is to do."""
    def check():
        shown = explain(host, group, target)
        return shown.get("stopsAt") == step and reason in shown["reason"] \
            and shown
    shown = wait_for(check, f"{target} to stop at {step}: {reason}", 120)
    names = [s["step"] for s in shown["steps"]]
    assert [s["ok"] for s in shown["steps"]] == [True] * (len(names) - 1) + [False]
    assert names[-1] == step and shown["toDo"]
    return shown["toDo"]


def complete(host, group, target, steps=STEPS):
    def check():
        shown = explain(host, group, target)
        names = [s["step"] for s in shown["steps"]]
        return "stopsAt" not in shown and names == list(steps) and shown
    shown = wait_for(check, f"{target} to be explained to the end", 120)
    assert all(s["ok"] for s in shown["steps"])
    return [s["text"] for s in shown["steps"]]


def test_all_is_well(lab):
    host, site = lab["blue1"], lab.site("blue2")
    shown = lab.registered("blue")
    for target in ("10.2.0.10", "10.2.0.0/24"):
        text = complete(host, "blue", target)
        assert f"member-ID {shown['blue1']['memberId']}, " in text[1]
        assert "descriptor of 192.0.2.2 heard from neighbor 192.0.2.2" in text[3]
        assert text[4].startswith(f"member {shown['blue2']['memberId']}, gateway "
                                  f"{site.gateway}")
        assert text[7] == f"10.2.0.0/24 via {site.gateway} dev gv-blue"
    assert "10.1.0.0/24 is this site's own" in complete(
        host, "blue", "10.1.0.10", (*STEPS[:4], "route"))[-1]

    def as_text():
        return host.vtysh("show bgp group-vpn blue explain 10.2.0.10").splitlines()
    lines = wait_for(lambda: all("  ok: " in x for x in as_text()) and as_text(),
                     "the same as text")
    assert [x.split("  ")[0] for x in lines] == STEPS


def test_at_the_reflector(lab):
    sr, site = lab["sr"], lab.site("blue1")

    def settled():
        text = complete(sr, "blue", site.gateway, AT_SR)
        return "1 routes of it, reflected to the 2 other members" in text[4] \
            and text
    text = wait_for(settled, "a change of route epoch to be over", 120)
    assert site.identity in text[2] and f"{site.gateway} established" in text[3]

    def sealed():
        return next(r["prefix"] for r in sr.bgp_json(
            "show bgp group-vpn blue routes")["routes"]
            if r["gateway"] == site.gateway)
    wait_for(lambda: complete(sr, "blue", sealed(), AT_SR) == settled(),
             "the same to be explained by the sealed route", 120)
    stops_at(sr, "blue", "10.1.0.10", "member", "sealed an S/R cannot read")
    stops_at(sr, "blue", lab.site("outsider").gateway, "member",
             "no registered member")
    stops_at(sr, "red", site.gateway, "member", "no registered member")


def test_errors(lab):
    host = lab["blue1"]
    assert "No such group: green" in \
        host.bgp("show bgp group-vpn green explain 10.2.0.10")
    for target in ("10.2.0.300", "10.2.0.0/33", "blue2", ""):
        assert "10.2.0.0/24 via" not in \
            host.vtysh(f"show bgp group-vpn blue explain {target}", check=False)


def test_not_registered(lab):
    todo = stops_at(lab["outsider"], "blue", "10.1.0.10", "registration",
                    "has not registered for it")
    assert "show group-vpn groups blue" in todo


def test_nobody_announces_it(lab):
    host = lab["blue1"]
    stops_at(host, "blue", "10.77.0.1", "member",
             "no member announces a route to it")
    stops_at(host, "blue", lab.site("blue2").gateway, "member",
             "it is the gateway of member")


def test_each_stop_of_a_member(lab):
    """What is taken away is given back before the next."""
    host, sr, target = lab["blue1"], lab["sr"], "10.2.0.10"
    asn = lab.site("blue1").asn
    bgp, vrf = f"router bgp {asn}", f"router bgp {asn} vrf blue"

    # It has another group, without which bgpd would not ask charon any more.
    dual = f"router bgp {lab.site('dual').asn} vrf blue"
    lab["dual"].configure(dual, "no group-vpn member blue")
    todo = stops_at(lab["dual"], "blue", target, "registration",
                    "no instance is bound")
    assert '"group-vpn member blue"' in todo and "VRF blue" in todo
    lab["dual"].configure(dual, "group-vpn member blue")
    complete(lab["dual"], "blue", target)

    host.configure(bgp, "neighbor 192.0.2.2 shutdown")
    stops_at(host, "blue", target, "S/R",
             "neighbor 192.0.2.2 has no established session")
    host.configure(bgp, "no neighbor 192.0.2.2 shutdown")
    complete(host, "blue", target)

    # A more specific route of the site's own, and an equal one of the kernel's.
    host.ip("addr add 10.2.0.1/25 dev lan-blue")
    host.configure(vrf, "address-family ipv4 unicast", "network 10.2.0.0/25")
    complete(host, "blue", target, (*STEPS[:4], "route"))
    host.configure(vrf, "address-family ipv4 unicast",
                   "no network 10.2.0.0/25")
    host.ip("addr del 10.2.0.1/25 dev lan-blue")
    complete(host, "blue", target)
    host.ip("route add blackhole 10.2.0.0/24 vrf blue")
    stops_at(host, "blue", target, "kernel", "zebra has a better route")
    host.ip("route del blackhole 10.2.0.0/24 vrf blue")
    complete(host, "blue", target)

    host.ip("link set dev gv-blue down")
    stops_at(host, "blue", target, "kernel", "gv-blue is not there, or down")
    host.ip("link set dev gv-blue up")
    complete(host, "blue", target)

    host.charon.kill()
    stops_at(host, "blue", target, "charon", "control socket")
    host.charon.start()
    host.load_swanctl()
    complete(host, "blue", target)

    # At the S/R the same, from the other side.
    gateway = lab.site("blue1").gateway
    host.bgpd.kill()
    stops_at(sr, "blue", gateway, "neighbor", "has no established session")
    host.bgpd.start()
    host.load_frr()
    complete(sr, "blue", gateway, AT_SR)


def test_a_next_hop_without_sas(lab):
    """Somebody else has a state with the SPI that blue2's takes in any other
    epoch: at a rekey charon says that blue2 cannot be reached, while by BGP it
    is there as before."""
    host, other = lab["blue1"], lab.site("blue2")
    ours = lab.site("blue1").gateway
    sender_id = lab.registered("blue")["blue2"]["senderId"]
    used = {s["spi"] for s in host.states() if s["dst"] == ours}
    spis = {tag << 24 | sender_id for tag in range(0x10, 0xc0)} - used
    name = "dst {} proto esp spi {:#x}"
    session = "show bgp neighbors 192.0.2.2"

    def established():
        return host.bgp_json(session)["192.0.2.2"]["connectionsEstablished"]
    sessions = established()
    host.ip(*(f"xfrm state add src {other.gateway} {name.format(ours, spi)} "
              f"mode transport aead rfc4106(gcm(aes)) 0x{'77' * 20} 128"
              for spi in spis))
    try:
        ctl(lab["sr"], "rekey", "blue")
        assert "ip xfrm state" in stops_at(
            host, "blue", "10.2.0.10", "SA",
            "the kernel refused the inbound SA of epoch")
        wait_for(lambda: lab.routes(lab.site("blue1"), "blue") == {
            lab.site("dual").lan_prefix("blue")},
            "blue2's routes to be gone, and no others", 5)
        states = {m["gateway"]: m["state"] for m in host.bgp_json(
            "show bgp group-vpn blue members")["members"]}
        assert "refused the inbound SA" in states[other.gateway]
        # The others know nothing of it.
        assert lab.site("blue1").lan_prefix("blue") in lab.routes(other, "blue")
    finally:
        host.ip(*(f"xfrm state delete {name.format(ours, spi)}"
                  for spi in spis))
    complete(host, "blue", "10.2.0.10")
    assert established() == sessions
    wait_for(lambda: lab.asked(lab.site("blue1"), "blue", "10.2.0.10")
             == "blue2.blue", "blue2 to be reached")


class InPlaceOfCharon:
    """The other end of a bgpd's control socket, which says what it is told to,
    however unlikely."""

    HELLO, SYNC, GROUP, PEER_STATUS, PEER = 1, 2, 10, 14, 20
    PATH = "/run/other.ctl"

    def __init__(self, host):
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.server.bind(str(host.outside(self.PATH)))
        host.outside(self.PATH).chmod(0o666)
        self.server.listen()
        self.connection = None
        self.peers = {}  # member-ID to the TLVs that name it

    @staticmethod
    def tlv(kind, value):
        return struct.pack("!HH", kind, len(value)) + value

    def say(self, kind, *tlvs):
        self.connection.sendall(struct.pack("!BBHI", 1, kind, 0, 7)
                                + b"".join(tlvs))

    def accept(self):
        self.server.settimeout(20)
        self.connection, _ = self.server.accept()
        self.say(self.HELLO)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        with contextlib.suppress(OSError):
            while message := self.connection.recv(4096):
                if message[1] == self.PEER:
                    self.peers[message[20:22]] = message[8:8 + 8 + 6 + 7]

    def close(self):
        self.server.close()
        if self.connection:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.connection.close()


def test_what_charon_may_say(lab):
    """No data keys; members of which it says nothing, or that they cannot be
    reached.  It is not charon that says so: it has no reason to."""
    host, site = lab["blue1"], lab.site("blue1")
    shown = lab.registered("blue")
    number, secret = asked_of_charon(host)
    other = InPlaceOfCharon(host)
    tlv = other.tlv
    group_id = tlv(1, struct.pack("!I", 100))
    group = (group_id, tlv(2, struct.pack("!H", shown["blue1"]["memberId"])),
             tlv(3, struct.pack("!I", shown["blue1"]["senderId"])[1:]),
             tlv(4, socket.inet_aton(site.gateway)), tlv(5, b"\1"),
             tlv(6, b"blue"), tlv(7, b"blue"), tlv(8, b"gv-blue"),
             tlv(11, struct.pack("!I", number)), tlv(12, secret))
    member = struct.pack("!H", shown["blue2"]["memberId"])
    host.configure(f"router bgp {site.asn}",
                   f"group-vpn socket {other.PATH}")
    try:
        other.accept()
        other.say(other.GROUP, *group)
        other.say(other.SYNC)
        todo = stops_at(host, "blue", "10.2.0.10", "epoch",
                        "charon has no data keys")
        assert "show group-vpn sas blue" in todo
        other.say(other.GROUP, *group, tlv(9, struct.pack("!I", 5)))
        stops_at(host, "blue", "10.2.0.10", "SA", "charon has not answered")
        wait_for(lambda: member in other.peers, "bgpd to tell of blue2")
        for ready, text in ((b"\1", b""), (b"\0", b"they are gone")):
            other.say(other.PEER_STATUS, other.peers[member], tlv(15, ready),
                      *([tlv(16, text)] if text else []))
            if text:
                stops_at(host, "blue", "10.2.0.10", "SA", text.decode())
                wait_for(lambda: not lab.routes(site, "blue"),
                         "the routes to be gone", 5)
            else:
                complete(host, "blue", "10.2.0.10")
    finally:
        host.configure(f"router bgp {site.asn}", "no group-vpn socket")
        other.close()
    complete(host, "blue", "10.2.0.10")


def test_a_reflector_without_charon(lab):
    sr, gateway = lab["sr"], lab.site("blue1").gateway
    sr.configure("router bgp 65000", "group-vpn socket /run/nobody.ctl")
    try:
        stops_at(sr, "blue", gateway, "charon",
                 "control socket /run/nobody.ctl down")
    finally:
        sr.configure("router bgp 65000", "no group-vpn socket")
    complete(sr, "blue", gateway, AT_SR)


def test_summary_detail_and_clear(lab):
    for name in ("sr", "blue1"):
        host = lab[name]
        def shown(what, host=host):
            return host.bgp_json(f"show bgp group-vpn blue {what}".rstrip())
        detail = shown("detail")
        assert detail["members"] and detail["routes"]
        assert detail["summary"]["name"] == "blue"
        assert set(shown("summary")) == set(shown(""))
        text = host.vtysh("show bgp group-vpn blue detail")
        assert "Group blue, ID 100" in text and "Sender-ID Gateway" in text \
            and "Dir Prefix" in text
    sr = lab["sr"]
    assert "No such group: green" in sr.vtysh("clear bgp group-vpn green soft")
    before = json.loads(sr.vtysh(
        f"show bgp neighbors {lab.site('blue1').gateway} json"))
    sr.vtysh("clear bgp group-vpn blue soft")

    def refreshes(shown):
        return shown[lab.site("blue1").gateway]["messageStats"][
            "routeRefreshSent"]
    wait_for(lambda: refreshes(json.loads(sr.vtysh(
        f"show bgp neighbors {lab.site('blue1').gateway} json")))
        > refreshes(before), "a route refresh to be asked for")
    lab["blue1"].vtysh("clear bgp group-vpn blue soft")

    def cleared():
        """Routes that come again may be counted again."""
        lab["blue1"].vtysh("clear bgp group-vpn blue counters")
        return set(lab.drops("blue1", "blue").values()) == {0}
    wait_for(cleared, "the counters to be cleared")
    complete(lab["blue1"], "blue", "10.2.0.10")
