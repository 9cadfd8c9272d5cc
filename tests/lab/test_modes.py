# SPDX-License-Identifier: GPL-2.0-or-later
"""Ciphers, encapsulations and SA modes: two sites with one group of each."""

import re
import subprocess

import pytest

from kept import closed_at_the_end
from lab import Flood, blocks, wait_for
from sites import Network, Site, build, member_swanctl, section, sr_swanctl
from test_management import ctl, ctl_json, newest_tag

# What the group's device must have for its MTU on a path of 1500 octets: ESP
# with its outer header leaves 1446 octets with an AEAD, 1438 with CBC and SHA-256,
# 1422 with longer ICVs; GRE with a key takes 8 of them.
GROUPS = {
    "cbc": (100, ("esp_proposal = aes256-sha512", "esn = no"), 1422 - 8),
    "chacha": (200, ("esp_proposal = chacha20poly1305",
                     "replay_window = 4096"), 1446 - 8),
    "shared": (300, ("esp_proposal = aes128-sha384", "sa_mode = shared"),
               1422 - 8),
    "ipip": (400, ("esp_proposal = aes128gcm16", "encap = ipip"), 1446),
}
TIMES = ("lifetime = 60s", "atd = 2s", "dtd = 5s")


@pytest.fixture(scope="module")
def modes(request):
    lans = {group: index for index, group in enumerate(GROUPS)}
    lab = build(Network(
        groups={group: number for group, (number, *_) in GROUPS.items()},
        policy={group: (*lines, *TIMES)
                for group, (_, lines, _) in GROUPS.items()},
        sites=[Site("one", {g: f"10.1.{i}" for g, i in lans.items()}),
               Site("two", {g: f"10.2.{i}" for g, i in lans.items()})]))
    with closed_at_the_end(request, lab, "modes"):
        lab.start()
        lab.wait_until_up()
        yield lab


def device(host, group):
    return host.ip_json(f"-d link show dev gv-{group}")[0]


def reqid(host, group):
    """Of a group's policies and states, as the kernel's tools print it."""
    number = GROUPS[group][0]
    selector = f"key {number}" if group != "ipip" else "proto 4"
    texts = [p for p in host.policies()
             if re.search(rf"{selector}\b|proto ipencap", p)
             and ("gre" in p) == (group != "ipip")]
    return int(re.search(r"reqid (\d+)", texts[0]).group(1))


def states(host, group):
    return [s for s in host.states() if s["reqid"] == reqid(host, group)]


def spis(host, group):
    return {s["spi"] for s in states(host, group)}


@pytest.mark.parametrize("group", GROUPS)
def test_full_size_tcp_crosses_as_esp_unfragmented(modes, group):
    one, two = modes.network.sites
    assert device(modes["one"], group)["mtu"] == GROUPS[group][2]
    capture = modes.capture(modes["b1"], "to-one")
    assert modes.transfer(group, two, one, 1 << 19) == 1 << 19
    assert modes.transfer(group, one, two, 1 << 19) == 1 << 19
    capture.stop()
    assert capture.count("ip[6:2] & 0x3fff != 0") == 0, "fragments"
    assert capture.count("ip proto 4 or ip proto 41 or ip proto 47") == 0
    sizes = [len(frame) - 14 for frame in capture.frames()]
    assert 1500 - 16 < max(sizes) <= 1500
    # Nothing else is large but new keys: all of the transfer was ESP.
    assert capture.count("not esp and not tcp port 179 and not udp port 4500 "
                         "and greater 600") == 0


@pytest.mark.parametrize("group", GROUPS)
def test_path_mtu_is_told_to_the_end_host(modes, group):
    one, two = modes.network.sites
    far = modes.far(one, group)
    address = two.end_host_address(group)

    def told():
        out = far.run("ping", "-n", "-c", "2", "-W", "1", "-M", "do", "-s",
                      "1472", address, check=False)
        return int(re.search(r"mtu\s*=\s*(\d+)", out).group(1))
    mtu = wait_for(told, "an MTU to be told")
    assert mtu == GROUPS[group][2]
    modes.is_reached(one, group, address, size=mtu - 28, options=("-M", "do"))
    # What may be fragmented is, by the gateway, before it is protected.
    modes.is_reached(one, group, address, size=3000, options=("-M", "dont"))


@pytest.mark.parametrize("group", GROUPS)
def test_ipv6_crosses(modes, group):
    """By the next hop that stands for the gateway, ::/96 with its address."""
    one, two = modes.network.sites
    for site, other, number in ((one, two, 1), (two, one, 2)):
        host, far = modes[site.name], modes.far(site, group)
        host.ip(f"addr add fd00:{number}::1/64 dev lan-{group} nodad",
                f"route add fd00:{3 - number}::/64 via ::{other.gateway} "
                f"dev gv-{group} onlink vrf {group}")
        host.sysctl(ipv6__conf__all__forwarding=1)
        far.ip(f"addr add fd00:{number}::10/64 dev eth0 nodad",
               f"route add default via fd00:{number}::1")
    capture = modes.capture(modes["b1"], "to-one")
    modes.is_reached(one, group, "fd00:2::10", 1)
    modes.is_reached(one, group, "fd00:2::10", size=1300)
    wait_for(lambda: capture.count("esp") >= 8, "all of it as ESP")
    capture.stop()
    assert capture.count("ip proto 41 or ip proto 47") == 0


def test_derived_sas_have_the_cipher_and_the_window(modes):
    for state in states(modes["one"], "cbc"):
        assert "hmac(sha512)" in state["text"] and "cbc(aes)" in state["text"]
        assert "flag esn" not in state["text"]
        if state["dst"] == modes.site("one").gateway:
            assert state["replay_window"] == 128
    for state in states(modes["one"], "chacha"):
        assert "rfc7539esp" in state["text"]
        assert "esn" in state["text"].split("anti-replay")[0]
        if state["dst"] == modes.site("one").gateway:
            assert state["replay_window"] == 4096


def test_shared_sa_has_one_inbound_state(modes):
    """For all senders and without a replay window, which is told."""
    host, own = modes["one"], modes.site("one").gateway
    def inbound():
        return [s for s in states(host, "shared") if s["dst"] == own]
    wait_for(lambda: [s["spi"] for s in inbound()].count(
        newest_tag(host, "shared") << 24) == 1, "one of the newest epoch")
    assert all(s["src"] == "0.0.0.0" for s in inbound())
    assert len({s["spi"] for s in inbound()}) == len(inbound())
    assert all(s["replay_window"] == 0 for s in states(host, "shared"))
    assert {s["spi"] & 0xffffff for s in states(host, "shared")} == {0}
    for where in (host, modes["sr"]):
        assert "NO REPLAY PROTECTION" in ctl(where, "list-groups", "shared")
        assert "NO REPLAY PROTECTION" not in ctl(where, "list-groups", "cbc")
    assert ctl_json(host, "list-groups", "shared")[0]["sa-mode"] == "shared"


def decrypt(state, packet):
    """What is in an ESP packet (from its ESP header on) of a CBC state."""
    key = re.search(r"enc cbc\(aes\) 0x([0-9a-f]+)", state).group(1)
    bits = int(re.search(r"auth-trunc \S+ 0x[0-9a-f]+ (\d+)", state).group(1))
    plain = subprocess.run(
        ["openssl", "enc", "-d", f"-aes-{len(key) * 4}-cbc", "-nopad",
         "-K", key, "-iv", packet[8:24].hex()],
        input=packet[24:-bits // 8], capture_output=True, check=True).stdout
    padding, next_header = plain[-2], plain[-1]
    return next_header, plain[:-2 - padding]


def test_ipip_is_esp_tunnel_mode_on_the_wire(modes):
    """Next header 4, and then the end hosts' packet."""
    lines = ("esp_proposal = aes256-sha256", "encap = ipip", *TIMES)
    before = spis(modes["one"], "ipip")
    modes.network.policy["ipip"] = lines
    modes.restore("sr")
    one, two = modes.network.sites
    host = modes["one"]
    wait_for(lambda: not before & spis(host, "ipip"), "the CBC epoch alone")
    # Its MTU follows the cipher.
    wait_for(lambda: device(host, "ipip")["mtu"] == 1438, "the cipher's MTU")
    capture = modes.capture(modes["b1"], "to-one", f"esp and src {one.gateway}")

    def decrypted():
        """The ping's; new keys may have come since."""
        modes.is_reached(one, "ipip", two.end_host_address("ipip"), 1)
        packet = list(capture.frames())[-1][14 + 20:]
        return decrypt(next(
            b for b in blocks(host.run("ip", "xfrm", "state", "list"))
            if f"0x{packet[:4].hex()}" in b and f"dst {two.gateway}" in b), packet)
    next_header, inner = wait_for(decrypted, "a packet of which there is the key")
    capture.stop()
    assert next_header == 4
    assert inner[0] == 0x45 and inner[12:16] == bytes([10, 1, 3, 10])
    assert inner[16:20] == bytes([10, 2, 3, 10])


def test_second_ipip_group_at_a_gateway_is_refused(modes):
    """With a word on what would be right, and without harm to the first."""
    extra = section("ipip2", "id = 500", "role = gcks", "encap = ipip",
                    f"members = {modes.site('one').identity}")
    member = section("ipip2", "id = 500", "role = member", "gcks = sr")
    since = modes["one"].log_size("charon")
    try:
        modes.reconfigure("sr", sr_swanctl(modes.network).rstrip()
                          .removesuffix("}") + extra + "}\n")
        modes.reconfigure("one", member_swanctl(
            modes.site("one"), modes.network).rstrip().removesuffix("}")
            + member + "}\n")
        line = modes["one"].wait_for_log("charon", "can not be brought up",
                                         since)
        assert "'gv-ipip' has gateway address 203.0.113.6 already" in line
        assert "encap = gre" in line
        assert len([p for p in modes["one"].policies() if "gre" not in p]) == 4
        one, two = modes.network.sites
        modes.is_reached(one, "ipip", two.end_host_address("ipip"))
    finally:
        modes.restore("one")
        modes.restore("sr")


@pytest.mark.long
def test_modes_and_ciphers_change_without_loss(modes):
    one, two = modes.network.sites
    flood = Flood(modes.far(one, "cbc"), two.end_host_address("cbc"))
    for proposal, mode in (("aes128-sha256", "shared"),
                           ("aes256gcm16", "derived")):
        before = spis(modes["one"], "cbc")
        modes.network.policy["cbc"] = (
            f"esp_proposal = {proposal}", f"sa_mode = {mode}", *TIMES)
        modes.restore("sr")
        wait_for(lambda s=before: not s & spis(modes["one"], "cbc"),
                 "the states of the earlier mode to go")
        assert ctl_json(modes["one"], "list-groups", "cbc")[0]["sa-mode"] == mode
    assert flood.end(100)[1] == 0
    wait_for(lambda: device(modes["one"], "cbc")["mtu"] == 1438,
             "the cipher's MTU")


def test_a_receiver_has_no_states_to_send_with(modes):
    """And its end hosts receive what the others send."""
    one, two = modes.network.sites
    host, far = modes["two"], modes.far(two, "chacha")
    lines = modes.network.policy["chacha"]
    modes.network.policy["chacha"] = (*lines, f"receivers = {two.identity}")
    modes.restore("sr")
    try:
        wait_for(lambda: states(host, "chacha") and {
            s["dst"] for s in states(host, "chacha")} == {two.gateway},
            "inbound states alone at the receiver")
        shown = ctl_json(host, "list-groups", "chacha")[0]
        assert shown["direction"] == "receive"
        wait_for(lambda: not modes.routes(two, "chacha"), "no routes")
        capture = modes.capture(far, "eth0", "icmp[0] == 8")
        wait_for(lambda: modes.far(one, "chacha").ping(
            two.end_host_address("chacha"), count=1, wait=1) or capture.count(),
            "a packet that crosses")
        assert modes.far(one, "chacha").ping(two.end_host_address("chacha"),
                                             wait=1) == 0
    finally:
        modes.network.policy["chacha"] = lines
        modes.restore("sr")
    modes.wait_until_up()
