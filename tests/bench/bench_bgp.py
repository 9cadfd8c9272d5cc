#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What reflecting and opening routes costs bgpd: make bench-bgp.

A bgpd of the lab on the machine's own kernel, without zebra; a program that
speaks BGP for all its neighbours and the control socket for charon.  The same
routes go through a bgpd without the module in the same run, and the ratios are
of CPU time, which other work on the machine disturbs least.

  reflect   CLIENTS clients announce ROUTES sealed routes each; over when every
            client has those of all others.  Baseline: the same UPDATEs
            reflected by a bgpd without the module.
  open      A member gets ROUTES sealed routes; over when all are in its table.
            Baselines: it gets as many plain ones (VPNv4), and a bgpd without
            the module imports as many.

BENCH_REFLECT="10x100000 1000x100" and BENCH_OPEN=100000 are the sizes.
"""

import hashlib
import hmac
import ipaddress
import os
import pathlib
import re
import resource
import selectors
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lab"))

from bgp_speaker import (DESCRIPTOR, DESCRIPTOR_PREFIX, KEEPALIVE, MEMBER,
                         MEMBER_PREFIX, OPEN, ROUTES, UPDATE, attribute,
                         group_attribute, message, open_message, rd, tlv, update,
                         vpnv6_nlri)
from lab import Lab, LabError, wait_for

REFLECT = os.environ.get("BENCH_REFLECT", "10x100000 1000x100").split()
OPENED = int(os.environ.get("BENCH_OPEN", 100000))
GROUP, SENDER = 100, 17
SR, SR_AS = "10.0.0.1", 65000
SECRET, ROUTE_EPOCH = bytes(range(32)), 3
PER_UPDATE = 130
TIMEOUT = 1800


def client_address(number):
    return f"10.0.{1 + number // 200}.{1 + number % 200}"


def sha(key, data):
    return hmac.new(key, data, lambda *a: hashlib.new("sha512_256", *a)).digest()


def derived(info):
    return sha(sha(b"groupvpn 1" + struct.pack("!I", GROUP), SECRET), info + b"\1")


def authentic(*arguments):
    value = group_attribute(*arguments, mac=b"")
    return value + sha(derived(b"mac"), value)[:16]


def sealed(member_id, prefixes):
    """The NLRIs that IPv4 /24 prefixes seal to: addresses."""
    key = derived(b"nlri" + struct.pack("!HI", member_id, ROUTE_EPOCH)).hex()
    blocks = [struct.pack("!BB", 4, 24) + p.packed + bytes(10) for p in prefixes]
    left = list(range(len(blocks)))
    while left:
        out = subprocess.run(
            ["openssl", "enc", "-aes-256-ecb", "-nopad", "-K", key],
            input=b"".join(blocks[i] for i in left), capture_output=True,
            check=True).stdout
        for position, i in enumerate(left):
            blocks[i] = out[16 * position:16 * position + 16]
        left = [i for i in left if blocks[i][0] in (0x00, 0xfe, 0xff)]
    return [ipaddress.ip_address(b) for b in blocks]


def in_updates(asn, member_id, addresses, value, next_hop):
    nlris = [vpnv6_nlri(rd(member_id, GROUP), a) for a in addresses]
    return b"".join(update(asn, GROUP, nlris[i:i + PER_UPDATE], value, next_hop)
                    for i in range(0, len(nlris), PER_UPDATE))


class Client:
    """One BGP session: sends what it has, counts what comes."""

    def __init__(self, namespace, address, asn, open_octets=None):
        self.connection = namespace.socket(kind=socket.SOCK_STREAM)
        self.connection.bind((address, 0))
        self.connection.settimeout(20)
        self.connection.connect((SR, 179))
        octets = open_octets or open_message(asn, address)
        # Hold time 0: a backlog of megabytes must not end the session.
        self.connection.sendall(octets[:22] + bytes(2) + octets[24:])
        self.out = self.buffer = b""
        self.up = False
        self.updates = self.nlris = 0
        self.fixed = 0

    def handle(self, data):
        self.buffer += data
        at = 0
        while len(self.buffer) - at >= 19:
            length, kind = struct.unpack_from("!HB", self.buffer, at + 16)
            if len(self.buffer) - at < length:
                break
            if kind in (OPEN, KEEPALIVE):
                self.up |= kind == KEEPALIVE
                self.out += message(KEEPALIVE)
            elif kind == UPDATE:
                self.updates += 1
                # All but the attributes is VPNv6 NLRIs of one length.
                self.nlris += self.count(self.buffer[at + 19:at + length])
            at += length
        self.buffer = self.buffer[at:]

    @staticmethod
    def count(body):
        total, = struct.unpack_from("!H", body, 2)
        at, end, found = 4, 4 + total, 0
        while at < end:
            flags, kind = body[at], body[at + 1]
            size = struct.unpack_from("!H", body, at + 2)[0] if flags & 0x10 \
                else body[at + 2]
            at += 4 if flags & 0x10 else 3
            if kind == 14 and size > 5:
                found = (size - 5 - body[at + 3]) // 28
            at += size
        return found


class Loop:
    """All sessions in one thread."""

    def __init__(self, clients):
        self.clients = clients
        self.selector = selectors.DefaultSelector()
        for client in clients:
            client.connection.setblocking(False)
            self.selector.register(client.connection, selectors.EVENT_READ,
                                   client)

    def run_until(self, done, what):
        deadline = time.monotonic() + TIMEOUT
        while not done():
            if time.monotonic() > deadline:
                raise LabError(f"timed out: {what}")
            for client in self.clients:
                if client.out:
                    self.selector.modify(
                        client.connection,
                        selectors.EVENT_READ | selectors.EVENT_WRITE, client)
            for key, events in self.selector.select(0.05):
                client = key.data
                if events & selectors.EVENT_WRITE:
                    sent = client.connection.send(client.out[:1 << 18])
                    client.out = client.out[sent:]
                    if not client.out:
                        self.selector.modify(client.connection,
                                             selectors.EVENT_READ, client)
                if events & selectors.EVENT_READ:
                    data = client.connection.recv(1 << 18)
                    if not data:
                        raise LabError("bgpd closed a session")
                    client.handle(data)


class Charon:
    """The other end of the control socket: says what it is given."""

    def __init__(self, host, messages):
        path = host.outside("/run/charon.groupvpn.ctl")
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.server.bind(str(path))
        path.chmod(0o666)
        self.server.listen()
        self.messages = messages
        threading.Thread(target=self.loop, daemon=True).start()

    @staticmethod
    def say(kind, *tlvs):
        return struct.pack("!BBHI", 1, kind, 0, 7) + b"".join(
            struct.pack("!HH", t, len(v)) + v for t, v in tlvs)

    def loop(self):
        try:
            connection, _ = self.server.accept()
            for packet in (self.say(1), *self.messages, self.say(2)):
                connection.sendall(packet)
            while packet := connection.recv(4096):
                if packet[1] == 20:  # PEER: it is ready
                    ids = packet[8:8 + 8 + 6 + 7]
                    connection.sendall(struct.pack("!BBHI", 1, 14, 0, 7) + ids
                                       + struct.pack("!HHB", 15, 1, 1))
        except OSError:
            pass  # closed

    def close(self):
        self.server.close()


def packed(number, size):
    return number.to_bytes(size, "big")


def group_of_gcks():
    value = group_attribute(DESCRIPTOR, GROUP, 0, 0, SR, ROUTE_EPOCH)
    return Charon.say(10, (1, packed(GROUP, 4)),
                      (4, ipaddress.ip_address(SR).packed), (5, b"\2"),
                      (6, b"blue"), (13, value))


def registration(number):
    return Charon.say(12, (1, packed(GROUP, 4)), (2, packed(number + 1, 2)),
                      (3, packed(SENDER, 3)),
                      (4, ipaddress.ip_address(client_address(number)).packed),
                      (14, f"site{number}.example.net".encode()))


def group_of_member():
    return Charon.say(10, (1, packed(GROUP, 4)), (2, packed(999, 2)),
                      (3, packed(SENDER, 3)),
                      (4, ipaddress.ip_address(SR).packed), (5, b"\1"),
                      (6, b"blue"), (8, b"gv-blue"),
                      (11, packed(ROUTE_EPOCH, 4)), (12, SECRET))


class Bench:
    """One bgpd, fresh, with the module or without it."""

    def __init__(self, module, clients, config, messages):
        self.lab = Lab()
        self.host = self.lab.host("sr", self.lab.flavour(
            "module" if module else "stock", plugins=module))
        self.load = self.lab.end_host("load")
        self.lab.link(self.host, "wan", self.load, "wan")
        self.host.setup(f"addr add {SR}/16 dev wan")
        self.load.setup(*(f"addr add {client_address(n)}/16 dev wan"
                          for n in range(clients)))
        self.lab.wire()
        self.charon = Charon(self.host, messages) if module else None
        self.host.write("/etc/frr/frr.conf", config)
        # No zebra: routes stay in bgpd, on both sides of the comparison.  That
        # is an error for each route that "import vpn" imports, which would be
        # written to the log and make the baseline slower than it is.
        self.host.bgpd.argv = [*self.host.bgpd.argv, "-Z",
                               "--log-level", "critical"]
        self.host.bgpd.start()
        self.host.load_frr()
        self.pid = self.host.bgpd.process.pid

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(
            ")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) / 1024

    def close(self):
        if self.charon:
            self.charon.close()
        self.lab.close()


def sr_config(module, clients):
    return f"""hostname sr
!
router bgp {SR_AS}
 bgp router-id {SR}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
{' group-vpn reflector' if module else ''}
 neighbor members peer-group
 neighbor members remote-as external
 neighbor members advertisement-interval 0
 bgp listen limit {max(clients, 1)}
 bgp listen range 10.0.0.0/16 peer-group members
 address-family ipv6 vpn
  neighbor members activate
 exit-address-family
exit
!
"""


def outlast_configuration(bench):
    """bgpd stops the sessions that began before it has done with reading its
    configuration, about a second after: one is sacrificed."""
    probe = bench.load.socket(kind=socket.SOCK_STREAM)
    with probe:
        probe.settimeout(3)
        probe.bind((client_address(0), 0))
        probe.connect((SR, 179))
        try:
            while probe.recv(4096):
                pass
        except TimeoutError:
            pass  # it has done with that already


def reflect(module, clients, routes):
    messages = [group_of_gcks(), *map(registration, range(clients))]
    bench = Bench(module, clients, sr_config(module, clients), messages)
    try:
        if module:
            wait_for(lambda: bench.host.bgp_json("show bgp group-vpn")["groups"]
                     .get("blue", {}).get("members") == clients,
                     "bgpd to know the registrations")
        outlast_configuration(bench)
        loop = Loop([Client(bench.load, client_address(n), 64000 + n % 1000)
                     for n in range(clients)])
        loop.run_until(lambda: all(c.up for c in loop.clients), "sessions")
        wait = time.monotonic() + 1
        loop.run_until(lambda: time.monotonic() > wait, "the descriptor")
        base = [c.nlris for c in loop.clients]
        for n, client in enumerate(loop.clients):
            address = client_address(n)
            value = group_attribute(ROUTES, GROUP, n + 1, SENDER, address,
                                    ROUTE_EPOCH)
            client.out += in_updates(
                64000 + n % 1000, n + 1,
                [ipaddress.ip_address(0x2001 << 112 | n << 64 | r)
                 for r in range(routes)], value, address)
        wanted = routes * (clients - 1)
        cpu, began = bench.cpu(), time.monotonic()
        loop.run_until(lambda: all(c.nlris - b >= wanted for c, b in
                                   zip(loop.clients, base)), "all routes")
        return {"seconds": time.monotonic() - began, "cpu": bench.cpu() - cpu,
                "MiB": bench.memory(),
                "updates": sum(c.updates for c in loop.clients)}
    finally:
        bench.close()


def member_config(plain):
    """One that takes plain routes takes sealed ones, too."""
    families = "".join(f"""
 address-family {family} vpn
  neighbor 10.0.1.1 activate
 exit-address-family""" for family in ("ipv6", *(["ipv4"] if plain else [])))
    return f"""hostname member
!
router bgp {SR_AS}
 bgp router-id {SR}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 group-vpn member blue
{" group-vpn member blue plain" if plain else "!"}
 neighbor 10.0.1.1 remote-as 64000
 neighbor 10.0.1.1 passive
 neighbor 10.0.1.1 ebgp-multihop{families}
exit
!
"""


def importer_config():
    return f"""hostname importer
!
router bgp {SR_AS}
 bgp router-id {SR}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 neighbor 10.0.1.1 remote-as 64000
 neighbor 10.0.1.1 passive
 neighbor 10.0.1.1 ebgp-multihop
 address-family ipv4 vpn
  neighbor 10.0.1.1 activate
 exit-address-family
 address-family ipv4 unicast
  rd vpn export {SR_AS}:1
  rt vpn both 0:{GROUP}
  import vpn
 exit-address-family
exit
!
"""


def prefixes(number):
    return [ipaddress.ip_address(0x14000000 + (n << 8)) for n in range(number)]


def vpnv4_updates(routes, next_hop, value):
    """The same prefixes as VPNv4 routes, with a group attribute or None."""
    nlris = [bytes([24 + 64 + 24]) + struct.pack("!I", 3 << 4 | 1)[1:]
             + rd(5, GROUP) + p.packed[:3] for p in prefixes(routes)]
    out = []
    hop = bytes(8) + ipaddress.ip_address(next_hop).packed
    for i in range(0, len(nlris), 240):
        reach = struct.pack("!HBB", 1, 128, len(hop)) + hop + b"\0" + \
            b"".join(nlris[i:i + 240])
        attributes = (attribute(0x40, 1, b"\0")
                      + attribute(0x40, 2, struct.pack("!BBI", 2, 1, 64000))
                      + attribute(0xc0, 16, struct.pack("!HHI", 2, 0, GROUP))
                      + (b"" if value is None else attribute(0xc0, 255, value))
                      + attribute(0x80, 14, reach))
        out.append(message(UPDATE, struct.pack("!HH", 0, len(attributes))
                           + attributes))
    return b"".join(out)


def count_messages(octets):
    at = count = 0
    while at < len(octets):
        at += int.from_bytes(octets[at + 16:at + 18], "big")
        count += 1
    return count


def opening(routes_are, routes):
    """routes_are "sealed", "plain", or "vpnv4" for a bgpd without the module."""
    module = routes_are != "vpnv4"
    bench = Bench(module, 1, member_config(routes_are == "plain") if module
                  else importer_config(), [group_of_member()])
    address = client_address(0)
    try:
        wait_for(lambda: "BGP state = Active" in
                 bench.host.bgp("show bgp neighbors"), "bgpd to listen")
        client = Client(bench.load, address, 64000, open_message(
            64000, address, {"sealed": (2,), "plain": (1, 2),
                             "vpnv4": (1,)}[routes_are]))
        loop = Loop([client])
        loop.run_until(lambda: client.up, "the session")
        if module:
            def said(kind, member, sender, prefix):
                value = authentic(kind, GROUP, member, sender, address,
                                  ROUTE_EPOCH)
                return update(64000, GROUP,
                              [vpnv6_nlri(rd(member, GROUP), prefix)], value,
                              address)
            client.out += said(DESCRIPTOR, 0, 0, DESCRIPTOR_PREFIX)
            client.out += said(MEMBER, 5, SENDER, MEMBER_PREFIX)
        if routes_are == "sealed":
            octets = in_updates(
                64000, 5, sealed(5, prefixes(routes)),
                authentic(ROUTES, GROUP, 5, SENDER, address, ROUTE_EPOCH),
                address)
        else:
            gateway = tlv(1, ipaddress.ip_address(address).packed)
            octets = vpnv4_updates(routes, address, authentic(
                ROUTES, GROUP, 5, SENDER, address, ROUTE_EPOCH, 1, gateway)
                if module else None)
        cpu, began = bench.cpu(), time.monotonic()
        client.out += octets
        asked = 0

        def arrived():
            nonlocal asked
            if client.out or time.monotonic() < asked + 0.5:
                return False
            asked = time.monotonic()
            shown = bench.host.bgp("show bgp ipv4 unicast statistics")
            total = re.search(r"Total Prefixes\s*:\s*(\d+)", shown)
            return total and int(total[1]) >= routes
        loop.run_until(arrived, "all routes")
        return {"seconds": time.monotonic() - began, "cpu": bench.cpu() - cpu,
                "MiB": bench.memory(), "updates": count_messages(octets)}
    finally:
        bench.close()


def compare(what, run, cases, *arguments):
    """Runs each case, (name, what run() gets), the last one against each of
    those before."""
    results = {}
    for name, case in cases:
        r = results[name] = run(case, *arguments)
        print(f"{what:22} {name:10} {r['seconds']:8.1f} s {r['cpu']:8.1f} s CPU "
              f"{r['MiB']:8.0f} MiB {r['updates']:9} UPDATEs", flush=True)
    *others, last = results
    b = results[last]
    for name in others:
        a = results[name]
        print(f"{what:22} {last + '/' + name:14} {b['seconds'] / a['seconds']:4.2f}"
              f"   {b['cpu'] / a['cpu']:8.2f}       {b['MiB'] / a['MiB']:8.2f}"
              f"     {b['updates'] / a['updates']:9.2f}", flush=True)


def main():
    # For bgpd, too: it takes what it is started with.
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    for size in REFLECT:
        clients, routes = map(int, size.split("x"))
        compare(f"reflect {size}", reflect,
                (("stock", False), ("module", True)), clients, routes)
    if OPENED:
        compare(f"open {OPENED}", opening,
                (("stock", "vpnv4"), ("plain", "plain"), ("sealed", "sealed")),
                OPENED)


if __name__ == "__main__":
    main()
