# SPDX-License-Identifier: GPL-2.0-or-later
"""A BGP speaker that says what no router would: for tests of bad input.

Only what the tests need of RFC 4271, 4760, 6793 and 4364: it opens a session
for VPNv6, keeps it alive, sends UPDATEs made by hand, and notices when the
other side closes.
"""

import contextlib
import ipaddress
import socket
import struct
import threading
import time

from lab import LabError, wait_for

OPEN, UPDATE, NOTIFICATION, KEEPALIVE, REFRESH = 1, 2, 3, 4, 5
HOLD_TIME = 30
DESCRIPTOR, MEMBER, ROUTES = 1, 2, 3
DESCRIPTOR_PREFIX = "fd67:7670:6e00::1"
MEMBER_PREFIX = "fd67:7670:6e00::2"


def message(kind, body=b""):
    return b"\xff" * 16 + struct.pack("!HB", 19 + len(body), kind) + body


def open_message(asn, router_id, afis=(2,)):
    """Offers VPN routes of these address families: 1 IPv4, 2 IPv6."""
    capabilities = (b"".join(b"\x01\x04" + struct.pack("!HBB", afi, 0, 128)
                             for afi in afis)
                    + b"\x02\x00"
                    + b"\x41\x04" + struct.pack("!I", asn))
    parameters = b"\x02" + bytes([len(capabilities)]) + capabilities
    return message(OPEN, struct.pack(
        "!BHH4sB", 4, asn, HOLD_TIME, ipaddress.ip_address(router_id).packed,
        len(parameters)) + parameters)


def attribute(flags, kind, value):
    # Always with extended length.
    return struct.pack("!BBH", flags | 0x10, kind, len(value)) + value


def rd(member_id, group_id):
    return struct.pack("!HHI", 0, member_id, group_id)


def vpnv6_nlri(distinguisher, address, label=3):
    return (bytes([24 + 64 + 128]) + struct.pack("!I", label << 4 | 1)[1:]
            + distinguisher + ipaddress.ip_address(address).packed)


def group_attribute(kind, group_id, member_id, sender_id, gateway,
                    route_epoch=1, version=1, tlvs=None, mac=bytes(16)):
    """The value; its MAC is whatever is given."""
    if tlvs is None:
        tlvs = tlv(1, ipaddress.ip_address(gateway).packed)
        if kind == ROUTES:
            tlvs += tlv(2, b"")
    return (struct.pack("!BBHIH", version, kind, 0, group_id, member_id)
            + struct.pack("!I", sender_id)[1:] + b"\0"
            + struct.pack("!I", route_epoch) + tlvs + mac)


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def update(asn, group_id, nlris, value, next_hop, attribute_type=255,
           flags=0xc0):
    """An UPDATE for VPNv6 NLRIs with the group attribute's value, or, if that
    is None, without it; flags are that attribute's."""
    hop = b"\0" * 8 + ipaddress.ip_address(f"::ffff:{next_hop}").packed
    reach = struct.pack("!HBB", 2, 128, len(hop)) + hop + b"\0" + b"".join(nlris)
    attributes = (attribute(0x40, 1, b"\0")
                  + attribute(0x40, 2, struct.pack("!BBI", 2, 1, asn))
                  + attribute(0xc0, 16, struct.pack("!HHI", 2, 0, group_id))
                  + (b"" if value is None else
                     attribute(flags, attribute_type, value))
                  + attribute(0x80, 14, reach))
    return message(UPDATE, struct.pack("!HH", 0, len(attributes)) + attributes)


def withdrawal(*nlris):
    """An UPDATE that withdraws VPNv6 NLRIs."""
    attributes = attribute(0x80, 15, struct.pack("!HB", 2, 128) + b"".join(nlris))
    return message(UPDATE, struct.pack("!HH", 0, len(attributes)) + attributes)


def attributes(body):
    """The path attributes of an UPDATE's body, by type."""
    withdrawn, = struct.unpack("!H", body[:2])
    size, = struct.unpack("!H", body[2 + withdrawn:4 + withdrawn])
    data = body[4 + withdrawn:4 + withdrawn + size]
    found = {}
    while data:
        flags, kind = data[:2]
        head = 4 if flags & 0x10 else 3
        length = int.from_bytes(data[2:head], "big")
        found[kind] = data[head:head + length]
        data = data[head + length:]
    return found


def vpnv6_prefixes(data):
    """(RD as "1:100", address) of VPNv6 NLRIs, all of them /128."""
    found = []
    while data:
        if data[0] != 24 + 64 + 128:
            raise ValueError(f"an NLRI of {data[0]} bits")
        member_id, group_id = struct.unpack("!HI", data[6:12])
        found.append((f"{member_id}:{group_id}",
                      str(ipaddress.ip_address(data[12:28]))))
        data = data[28:]
    return found


def changes(body):
    """What an UPDATE's body announces and withdraws for VPNv6."""
    found = attributes(body)
    reach, unreach = found.get(14, b""), found.get(15, b"")
    announced = vpnv6_prefixes(reach[5 + reach[3]:]) if reach else []
    return announced, vpnv6_prefixes(unreach[3:])


class Speaker:
    """A session that stays up by itself until close()."""

    def __init__(self, connection, asn, router_id):
        self.connection = connection
        self.asn = asn
        self.received = []  # (type, body), all but OPEN and KEEPALIVE
        self.closed = False
        self.established = threading.Event()
        connection.settimeout(None)
        connection.sendall(open_message(asn, router_id))
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()
        if not self.established.wait(20) or self.closed:
            connection.close()
            raise LabError("the BGP session did not come up")

    @classmethod
    def connect(cls, namespace, local, remote, asn):
        """Tries again, as routers do: the other side may still be closing, or
        opening, a session of its own."""
        def attempt():
            connection = namespace.socket(kind=socket.SOCK_STREAM)
            connection.settimeout(5)
            try:
                connection.bind((local, 0))
                connection.connect((remote, 179))
                return cls(connection, asn, local)
            except (OSError, LabError):
                connection.close()
                return None
        return wait_for(attempt, f"a BGP session with {remote}", 180)

    @classmethod
    def accept(cls, namespace, local, remote, asn, timeout=120):
        """Waits for the neighbour remote, which may give up one attempt; others
        are turned away."""
        with namespace.socket(kind=socket.SOCK_STREAM) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((local, 179))
            server.listen()
            server.settimeout(timeout)
            deadline = time.monotonic() + timeout
            while time.monotonic() < deadline:
                connection, (address, _) = server.accept()
                if address == remote:
                    with contextlib.suppress(OSError, LabError):
                        return cls(connection, asn, local)
                connection.close()
        raise LabError(f"no BGP session with {remote} came up")

    def read(self, size):
        data = b""
        while len(data) < size:
            part = self.connection.recv(size - len(data))
            if not part:
                raise ConnectionError
            data += part
        return data

    def loop(self):
        try:
            while True:
                length, kind = struct.unpack("!HB", self.read(19)[16:])
                body = self.read(length - 19)
                if kind in (OPEN, KEEPALIVE):
                    self.connection.sendall(message(KEEPALIVE))
                if kind == KEEPALIVE:
                    self.established.set()
                elif kind in (UPDATE, NOTIFICATION, REFRESH):
                    self.received.append((kind, body))
        except OSError:
            self.closed = True
            self.established.set()  # nobody need wait for it any more

    def send(self, data):
        if self.closed:
            raise LabError("the neighbour has closed the BGP session")
        self.connection.sendall(data)

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
