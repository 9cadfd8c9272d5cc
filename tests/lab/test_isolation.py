# SPDX-License-Identifier: GPL-2.0-or-later
"""What must not pass between groups, and into them from outside."""

import socket
import struct

from lab import wait_for


def test_overlapping_prefixes_are_told_apart(lab):
    for site, group, expected in (("dual", "blue", "blue1.blue"),
                                  ("dual", "red", "red1.red"),
                                  ("blue2", "blue", "blue1.blue")):
        assert lab.answer(lab.site(site), group, "10.1.0.10") == expected
    for site, group, expected in (("blue1", "blue", "dual.blue"),
                                  ("red1", "red", "dual.red")):
        assert lab.answer(lab.site(site), group, "10.5.0.10") == expected


def test_other_groups_and_outsiders_reach_nothing(lab):
    assert lab.asked(lab.site("red1"), "red", "10.2.0.10") is None
    assert lab.asked(lab.site("outsider"), "blue", "10.1.0.10") is None
    assert lab.asked(lab.site("blue1"), "blue", "10.6.0.10") is None


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def ipv4(source, destination, protocol, payload):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64,
                         protocol, 0, socket.inet_aton(source),
                         socket.inet_aton(destination))
    return (header[:10] + struct.pack("!H", checksum(header)) + header[12:]
            + payload)


def gre(key, packet):
    return struct.pack("!HHI", 0x2000, 0x0800, key) + packet


def forged_query(source, destination):
    """What the end host's responder would answer."""
    udp = struct.pack("!HHHH", 5000, 7000, 8 + 3, 0) + b"who"
    return ipv4(source, destination, socket.IPPROTO_UDP, udp)


def test_clear_packets_with_a_groups_key_are_dropped(lab):
    """GRE with blue's key but no ESP, with a member's source address."""
    victim = lab["blue1"]
    before = victim.xfrm_counters()
    arrived = lab.capture(lab.far(lab.site("blue1"), "blue"), "eth0",
                          "udp src port 5000")
    packet = ipv4(lab.site("blue2").gateway, lab.site("blue1").gateway, 47,
                  gre(100, forged_query("10.2.0.10", "10.1.0.10")))
    with lab["outsider"].socket(kind=socket.SOCK_RAW,
                                proto=socket.IPPROTO_RAW) as raw:
        for _ in range(10):
            raw.sendto(packet, (lab.site("blue1").gateway, 0))
    wait_for(lambda: victim.xfrm_counters()["XfrmInTmplMismatch"]
             + victim.xfrm_counters()["XfrmInNoPols"]
             >= before["XfrmInTmplMismatch"] + before["XfrmInNoPols"] + 10,
             "the kernel to count the forged packets as not protected")
    arrived.stop()
    assert arrived.count() == 0


def test_members_own_clear_packets_do_not_leave(lab):
    """Without a peer's states, packets to it are dropped, not sent in clear."""
    capture = lab.capture(lab["b1"], "any", "proto 47")
    device = lab["blue1"]
    device.ip("route add 10.77.0.0/24 via 203.0.113.254 dev gv-blue onlink vrf blue",
              "neigh replace 203.0.113.254 lladdr 203.0.113.254 dev gv-blue nud permanent")
    try:
        assert lab.asked(lab.site("blue1"), "blue", "10.77.0.10") is None
        lab["blue1"].ping("203.0.113.254", count=1, wait=1)
    finally:
        device.ip("route del 10.77.0.0/24 vrf blue",
                  "neigh del 203.0.113.254 dev gv-blue")
    capture.stop()
    assert capture.count() == 0
