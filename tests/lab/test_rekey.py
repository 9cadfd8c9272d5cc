# SPDX-License-Identifier: GPL-2.0-or-later
"""New keys by BGP: GSA_REKEY messages in the descriptor, and the key tree.

Members of the shared network take them from their bgpd; that no exchange of an
IKE SA was needed is what the counters say.
"""

import contextlib
import ipaddress
import re
import socket
import struct

import pytest

from bgp_speaker import (DESCRIPTOR, DESCRIPTOR_PREFIX, Speaker,
                         group_attribute, rd, tlv, update, vpnv6_nlri)
from lab import Flood, wait_for
from sites import (SR_ADDRESS, SR_AS, Network, Site, member_swanctl,
                   sr_swanctl)
from test_management import counters, ctl, ctl_json, epoch
from test_policing import in_place_of_bgpd, route_epoch
from test_restart import everybody_reaches, start_charon

CONTROL = "/run/charon.groupvpn.ctl"
# messages of the control socket
HELLO, SYNC, GROUP, PART, REKEY = 1, 2, 10, 17, 22
GROUP_ID, ATTR, MESSAGES = 1, 13, 17  # TLVs of it
GATEWAY_TLV, REKEY_TLV = 1, 3  # TLVs of the group attribute
SPI, MESSAGE_ID = slice(0, 16), slice(20, 24)


def group(host, name="blue"):
    return ctl_json(host, "list-groups", name)[0]


def members(lab, name="blue"):
    return [site.name for site in lab.network.members(name)]


def is_by_bgp(host, name="blue"):
    told = group(host, name)
    return "rekey-spi" in told and told["rekey-heard"]


def wait_by_bgp(lab, name="blue"):
    """Everybody is registered to get new keys by BGP, and has those of now."""
    lab.wait_until_no_epoch_is_due(name)
    wait_for(lambda: group(lab["sr"], name)["rekey-announced"],
             "the S/R to announce GSA_REKEY messages")
    for member in members(lab, name):
        wait_for(lambda m=member: is_by_bgp(lab[m], name),
                 f"{member} to take GSA_REKEY messages from bgpd")
    wait_same_sa(lab, members(lab, name), name)


def wait_same_sa(lab, names, name="blue"):
    def same(member):
        ours, theirs = group(lab["sr"], name), group(lab[member], name)
        return all(ours[key] == theirs.get(key)
                   for key in ("rekey-spi", "rekey-message-id", "epoch"))
    for member in names:
        wait_for(lambda m=member: same(m), f"{member} to have the GCKS's keys")


def rose(before, after, **expected):
    """That counters rose by as much as expected, those named only."""
    assert {k: after[k.replace("_", "-")] - before[k.replace("_", "-")]
            for k in expected} == expected


def control(host):
    """A connection to charon, as bgpd has one."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(10)
    connection.connect(str(host.outside(CONTROL)))
    connection.send(control_message(HELLO))
    return connection


def control_message(kind, *tlvs):
    return struct.pack("!BBHI", 1, kind, 0, 7) + b"".join(
        struct.pack("!HH", kind, len(value)) + value for kind, value in tlvs)


def split_tlvs(data, head):
    while data:
        kind, length = struct.unpack(head, data[:struct.calcsize(head)])
        data = data[struct.calcsize(head):]
        yield kind, data[:length]
        data = data[length:]


def descriptors(lab, group_id=100):
    """The attributes that the GCKS has its bgpd announce, by part."""
    values = []
    with control(lab["sr"]) as connection:
        while True:
            packet = connection.recv(8192)
            if packet[1] == SYNC:
                return values
            tlvs = dict(split_tlvs(packet[8:], "!HH"))
            if packet[1] in (GROUP, PART) and \
                    struct.unpack("!I", tlvs[GROUP_ID])[0] == group_id:
                values.append(tlvs[ATTR])


def announced(lab, group_id=100):
    """The GSA_REKEY messages that the GCKS has its bgpd announce."""
    # between the header and the MAC
    data = b"".join(dict(split_tlvs(value[18:-16], "!BH"))[REKEY_TLV]
                    for value in descriptors(lab, group_id))
    messages = []
    while data:
        length = struct.unpack("!I", data[24:28])[0]
        messages.append(data[:length])
        data = data[length:]
    return messages


def tell(host, messages, group_id=100):
    """Has a member's charon hear GSA_REKEY messages that no BGP brought: the
    last ones, as many as make one part."""
    while sum(map(len, messages)) > 3016:
        messages = messages[1:]
    with control(host) as connection:
        connection.send(control_message(
            REKEY, (GROUP_ID, struct.pack("!I", group_id)),
            (MESSAGES, b"".join(messages))))
        # it has been read when charon has said all it has
        while connection.recv(8192)[1] != SYNC:
            pass


def test_new_keys_come_by_bgp(lab):
    sr, names = lab["sr"], members(lab)
    wait_by_bgp(lab)
    before = {name: counters(lab[name], "blue") for name in ["sr", *names]}
    message = announced(lab)[-1]
    ctl(sr, "rekey", "blue")
    wait_same_sa(lab, names)
    rose(before["sr"], counters(sr, "blue"), epochs=1, keks=0, rekeys_by_bgp=1,
         rekeys_pushed=0, registrations=0)
    for name in names:
        rose(before[name], counters(lab[name], "blue"), rekeys_by_bgp=1,
             rekeys_received=0, registrations=0)
    new = announced(lab)[-1]
    assert new[SPI] == message[SPI]
    assert int.from_bytes(new[MESSAGE_ID], "big") == \
        int.from_bytes(message[MESSAGE_ID], "big") + 1
    everybody_reaches(lab, "blue1", "blue")


def test_who_was_away_follows_the_chain(lab):
    """New KEK included, without a word to the GCKS."""
    sr, blue1, red = lab["sr"], lab["blue1"], lab.site("dual")
    wait_by_bgp(lab)
    before, spi = counters(blue1, "blue"), group(sr)["rekey-spi"]
    blue1.bgpd.stop()
    ctl(sr, "rekey", "blue")
    # one leaves: what follows is under a KEK that it does not get
    lab.reconfigure("dual", member_swanctl(red, lab.network, groups=["red"]))
    wait_for(lambda: "dual" not in lab.registered("blue"), "dual to leave")
    ctl(sr, "rekey", "blue")
    assert group(sr)["rekey-spi"] != spi
    assert group(sr)["tree-members"] == 2
    assert group(blue1)["rekey-spi"] == spi
    blue1.bgpd.start()
    blue1.load_frr()
    wait_same_sa(lab, ["blue1", "blue2"])
    rose(before, counters(blue1, "blue"), registrations=0, rekeys_received=0,
         rekeys_missed=0)
    lab.restore("dual")
    lab.wait_until_up()
    wait_by_bgp(lab)
    everybody_reaches(lab, "dual", "blue")


def parts_heard(host):
    """The NLRIs of descriptors that a bgpd has."""
    return set(re.findall(rf"{DESCRIPTOR_PREFIX}(?::\d+)?/128",
                          host.bgp("show bgp ipv6 vpn")))


@pytest.mark.long
def test_who_was_away_follows_a_chain_of_several_parts(lab):
    """More KEKs than one descriptor has room for, in less than 300 s."""
    sr, blue1, dual = lab["sr"], lab["blue1"], lab.site("dual")
    only_red = member_swanctl(dual, lab.network, groups=["red"])

    def new_kek():
        lab.reconfigure("dual", only_red)
        wait_for(lambda: "dual" not in lab.registered("blue"), "dual to leave")
        ctl(sr, "rekey", "blue")

    def come_back():
        lab.restore("dual")
        wait_for(lambda: "dual" in lab.registered("blue"), "dual to be back",
                 60)

    wait_by_bgp(lab)
    try:
        for _ in range(12):
            new_kek()
            wait_same_sa(lab, ["blue1", "blue2"])
            if group(sr)["rekey-octets"] > 3016:
                break
            come_back()
        assert group(sr)["rekey-octets"] > 3016
        wait_for(lambda: len(parts_heard(lab["blue2"])) ==
                 len(descriptors(lab)) > 1, "blue2 to hear all parts")
        come_back()
        before, spi = counters(blue1, "blue"), group(sr)["rekey-spi"]
        blue1.bgpd.stop()
        new_kek()
        assert len(descriptors(lab)) > 1
        assert group(blue1)["rekey-spi"] == spi != group(sr)["rekey-spi"]
        blue1.bgpd.start()
        blue1.load_frr()
        wait_same_sa(lab, ["blue1", "blue2"])
        rose(before, counters(blue1, "blue"), registrations=0,
             rekeys_received=0, rekeys_missed=0, rekeys_by_bgp=2)

        # It is in the store, and comes and goes as a whole.
        messages = announced(lab)
        sr.charon.kill()
        start_charon(sr)
        assert announced(lab) == messages
        sr.configure(f"router bgp {SR_AS}", "no group-vpn reflector")
        wait_for(lambda: not parts_heard(lab["blue2"]),
                 "blue2 to hear no part")
        sr.configure(f"router bgp {SR_AS}", "group-vpn reflector")
        wait_for(lambda: len(parts_heard(lab["blue2"])) ==
                 len(descriptors(lab)), "blue2 to hear all parts again", 60)
    finally:
        lab.restore("dual")
    lab.wait_until_up()
    wait_by_bgp(lab)
    everybody_reaches(lab, "dual", "blue")


def test_a_neighbor_that_is_stuck_hides_nothing(lab):
    """An old descriptor by the better path."""
    sr, member, site = lab["sr"], lab["blue1"], lab.site("blue1")
    stuck = 64999
    wait_by_bgp(lab)
    old = descriptors(lab)
    ctl(sr, "rekey", "blue")
    wait_same_sa(lab, members(lab))
    before = counters(member, "blue")
    member.configure(
        f"router bgp {site.asn}",
        f"neighbor {site.router} remote-as {stuck}",
        f"neighbor {site.router} passive",
        "address-family ipv6 vpn", f"neighbor {site.router} activate",
        f"neighbor {site.router} weight 1000")
    try:
        with Speaker.connect(lab["b1"], site.router, site.gateway,
                             stuck) as session:
            for part, value in enumerate(old):
                nlri = DESCRIPTOR_PREFIX + (f":{part}" if part else "")
                session.send(update(stuck, 100,
                                    [vpnv6_nlri(rd(0, 100), nlri)],
                                    value, SR_ADDRESS))
            wait_for(lambda: counters(member, "blue")["rekeys-replayed"] >
                     before["rekeys-replayed"], "the old one to be heard")
            for _ in range(2):
                ctl(sr, "rekey", "blue")
                wait_same_sa(lab, members(lab))
            rose(before, counters(member, "blue"), rekeys_by_bgp=2,
                 rekeys_missed=0, registrations=0)
    finally:
        member.configure(f"router bgp {site.asn}",
                         f"no neighbor {site.router}")


def test_a_killed_gcks_keeps_kek_and_message_ids(lab):
    sr = lab["sr"]
    wait_by_bgp(lab)
    told, messages = group(sr), announced(lab)
    sr.charon.kill()
    start_charon(sr)
    again = group(sr)
    for key in ("rekey-spi", "rekey-message-id", "epoch", "tree-members",
                "rekey-octets"):
        assert again[key] == told[key]
    assert announced(lab) == messages
    wait_for(lambda: group(sr)["rekey-announced"],
             "bgpd to say that it announces them")
    # nobody has noticed yet, and all get what is next
    ctl(sr, "rekey", "blue")
    wait_same_sa(lab, members(lab))
    assert group(sr)["rekey-message-id"] == told["rekey-message-id"] + 1
    lab.wait_until_up()


def test_another_kek_lifetime_is_had_at_once(lab):
    """And not when the KEK in use has come to its end."""
    sr = lab["sr"]
    wait_by_bgp(lab)
    told = group(sr)
    assert told["rekey-expires"] > 3600
    lab.reconfigure("sr", sr_swanctl(lab.network).replace(
        "id = 100", "id = 100\n    kek_lifetime = 1h"))
    try:
        wait_for(lambda: group(sr)["rekey-spi"] != told["rekey-spi"],
                 "another KEK")
        assert group(sr)["rekey-expires"] <= 3600
        wait_same_sa(lab, members(lab))
        # Changed while charon is stopped.
        assert sr.charon.stop() == 0
        sr.write("/etc/swanctl/swanctl.conf", sr_swanctl(lab.network))
        start_charon(sr)
        assert group(sr)["rekey-expires"] > 3600
        wait_same_sa(lab, members(lab))
    finally:
        lab.restore("sr")


@contextlib.contextmanager
def cut_off(lab, site):
    """Nothing reaches the site's gateway."""
    router = lab["b1"] if site.number % 2 else lab["b2"]
    router.ip(f"route add blackhole {site.gateway}/32")
    try:
        yield
    finally:
        router.ip(f"route del blackhole {site.gateway}/32")


@contextlib.contextmanager
def deaf_to_ike(lab, site):
    """What the S/R sends the site by IKE is lost, BGP is not."""
    router = lab["b1"]
    # By where it comes in: else what goes the other way has no way back.
    rule = f"iif to-sr from {site.sr} to {site.gateway} ipproto udp blackhole"
    router.ip(f"rule add pref 10 {rule}")
    try:
        yield
    finally:
        router.ip(f"rule del pref 10 {rule}")


def test_a_repeated_answer_takes_no_newer_keys_away(lab):
    """The answer to a registration is lost, the group gets a new epoch by BGP,
    and then the GCKS repeats the answer as it was (RFC 9838, 2.3.3)."""
    site, host, sr = lab.site("blue1"), lab["blue1"], lab["sr"]
    wait_by_bgp(lab)
    before, since = counters(host, "blue"), host.log_size("charon")
    sender_id = lab.registered("blue")["blue1"]["senderId"]
    asked = counters(sr, "blue")["registrations"]
    flood = Flood(lab.far(site, "blue"), "10.2.0.10")
    with deaf_to_ike(lab, site):
        lab.reconfigure("blue1", member_swanctl(site, lab.network).replace(
            "gcks = sr", "gcks = sr, none"))
        wait_for(lambda: counters(sr, "blue")["registrations"] > asked,
                 "the GCKS to answer")
        new = int(ctl_json(sr, "rekey", "blue")["epoch"])
        wait_for(lambda: epoch(host, "blue") == new, "the new epoch by BGP")
        assert counters(host, "blue")["registrations"] == \
            before["registrations"]
    host.wait_for_log("charon", "is older than the keys that came by BGP", since)
    wait_for(lambda: counters(host, "blue")["registrations"] >
             before["registrations"], "blue1 to be registered")
    assert "used already" not in host.log("charon", since)
    assert epoch(host, "blue") == new
    sent, lost = flood.end()
    assert lost == 0, f"{lost} of {sent} packets were lost"
    assert lab.registered("blue")["blue1"]["senderId"] == sender_id
    lab.restore("blue1")
    wait_by_bgp(lab)


def test_the_evicted_can_not_open_what_follows(lab):
    sr, evicted = lab["sr"], lab.site("blue2")
    wait_by_bgp(lab)
    before = {name: counters(lab[name], "blue") for name in members(lab)}
    with cut_off(lab, evicted):
        # it never hears of it, keeps all keys it has, and gets all messages
        ctl(sr, "evict", "blue", evicted.identity, "stolen")
        wait_same_sa(lab, ["blue1", "dual"])
        messages = announced(lab)
        assert len(messages) >= 2
        old = epoch(lab["blue2"], "blue")
        tell(lab["blue2"], messages)
        wait_for(lambda: counters(lab["blue2"], "blue")["rekeys-excluded"] >
                 before["blue2"]["rekeys-excluded"],
                 "blue2 to find itself excluded")
        rose(before["blue2"], counters(lab["blue2"], "blue"), rekeys_by_bgp=0,
             rekeys_received=0)
        assert epoch(lab["blue2"], "blue") == old
        assert epoch(sr, "blue") > old
    for name in ("blue1", "dual"):
        rose(before[name], counters(lab[name], "blue"), rekeys_by_bgp=2,
             rekeys_received=0, registrations=0, rekeys_excluded=0)
    lab.wait_until_reached("blue1", "dual", "blue")
    ctl(sr, "readmit", "blue", evicted.identity)
    lab["blue2"].reload_swanctl()
    lab.wait_until_up()
    wait_by_bgp(lab)


def test_what_is_forged_or_replayed_is_counted(lab):
    """By a descriptor of a route epoch that the member cannot check."""
    sr, member = lab["sr"], lab["blue1"]
    wait_by_bgp(lab)
    old = announced(lab)
    ctl(sr, "rekey", "blue")
    wait_same_sa(lab, members(lab))
    current = announced(lab)
    state, before = group(member), counters(member, "blue")
    site, number = lab.site("blue1"), route_epoch(lab, "blue1") + 1
    gateway = tlv(GATEWAY_TLV, ipaddress.ip_address(SR_ADDRESS).packed)

    def hears(messages, counter):
        was = counters(member, "blue")
        value = group_attribute(
            DESCRIPTOR, 100, 0, 0, SR_ADDRESS, number,
            tlvs=gateway + tlv(REKEY_TLV, b"".join(messages)))
        session.send(update(SR_AS, 100,
                            [vpnv6_nlri(rd(0, 100), DESCRIPTOR_PREFIX)],
                            value, SR_ADDRESS))
        wait_for(lambda: counters(member, "blue")[counter] > was[counter],
                 f"a message to be counted as {counter}")
        now = counters(member, "blue")
        assert now["rekeys-by-bgp"] == before["rekeys-by-bgp"]
        # That it registers again may not take as long as to ask for this.
        assert counter == "rekeys-missed" or \
            now["registrations"] == before["registrations"]
        for key in ("rekey-spi", "rekey-message-id", "epoch"):
            assert group(member)[key] == state[key]
    last = current[-1]
    since = member.log_size("charon")
    with in_place_of_bgpd(sr, lambda: Speaker.accept(
            sr, SR_ADDRESS, site.gateway, SR_AS)) as session:
        hears(old[-1:], "rekeys-replayed")
        hears([last[:-1] + bytes([last[-1] ^ 1])], "rekeys-forged")
        hears([last[:40] + bytes([last[40] ^ 1]) + last[41:]], "rekeys-forged")
        hears([last[:-9]], "rekeys-malformed")
        hears([b"\0" * 60], "rekeys-malformed")
        # one of a Rekey SA that it does not know: perhaps it has missed some
        hears([bytes([last[0] ^ 1]) + last[1:]], "rekeys-missed")
        wait_for(lambda: counters(member, "blue")["registrations"] >
                 before["registrations"], "blue1 to register again", 60)
        assert "registering again: of an unknown Rekey SA" in \
            member.log("charon", since)
    lab.wait_until_up()
    wait_by_bgp(lab)


@pytest.mark.long
def test_without_bgpd_new_keys_come_in_band(lab):
    sr, member, others = lab["sr"], lab["blue1"], ["blue2", "dual"]
    wait_by_bgp(lab)
    member.bgpd.stop()
    lab.register_again("blue1")
    wait_for(lambda: "rekey-spi" not in group(member)
             and group(member)["state"] == "registered",
             "blue1 to register without a Rekey SA")
    before = {name: counters(lab[name], "blue")
              for name in ("sr", "blue1", *others)}
    assert "1 of them in band" in new_keys(lab)
    wait_for(lambda: epoch(member, "blue") == epoch(sr, "blue"),
             "blue1 to have the new epoch")
    wait_same_sa(lab, others)
    rose(before["sr"], counters(sr, "blue"), rekeys_pushed=1)
    rose(before["blue1"], counters(member, "blue"), rekeys_received=1,
         rekeys_by_bgp=0)
    member.bgpd.start()
    member.load_frr()
    wait_by_bgp(lab)

    # nor does the S/R's bgpd have to be there
    sr.bgpd.stop()
    wait_for(lambda: not group(sr)["rekey-announced"],
             "the GCKS to notice")
    before = {name: counters(lab[name], "blue") for name in members(lab)}
    assert "3 of them in band" in new_keys(lab)
    for name in members(lab):
        wait_for(lambda n=name: epoch(lab[n], "blue") == epoch(sr, "blue"),
                 f"{name} to have the new epoch")
        rose(before[name], counters(lab[name], "blue"), rekeys_received=1)
    sr.bgpd.start()
    sr.load_frr()
    lab.wait_until_up()
    wait_by_bgp(lab)


def new_keys(lab):
    """What the GCKS's log says of a rekey by command."""
    since = lab["sr"].log_size("charon")
    ctl(lab["sr"], "rekey", "blue")
    return lab["sr"].log("charon", since)


@pytest.mark.long
def test_100_rekeys_lose_no_packet(own_lab):
    lab = own_lab(Network(
        groups={"blue": 100},
        sites=[Site("blue1", {"blue": "10.1.0"}),
               Site("blue2", {"blue": "10.2.0"})],
        policy={"blue": ("atd = 2s", "dtd = 5s", "kek_lifetime = 30s")}))
    lab.start()
    lab.wait_until_up()
    wait_by_bgp(lab)
    sr, names = lab["sr"], members(lab)
    before = {name: counters(lab[name], "blue") for name in ["sr", *names]}
    floods = [Flood(lab.far(lab.site(a), "blue"),
                    lab.site(b).end_host_address("blue"))
              for a, b in (("blue1", "blue2"), ("blue2", "blue1"))]
    logs = {name: lab[name].log_size("charon") for name in names}
    for _ in range(100):
        number = re.search(r"epoch (\d+) begins", ctl(sr, "rekey", "blue"))[1]
        for name, since in logs.items():
            lab[name].wait_for_log("charon", f"received epoch {number} by BGP",
                                   since)
    for name in names:
        wait_for(lambda n=name: [sa["state"] for sa in ctl_json(
            lab[n], "list-sas", "blue")] == ["sending"],
            f"{name} to have the last epoch only")
    results = [flood.end() for flood in floods]
    rose(before["sr"], counters(sr, "blue"), epochs=100, rekeys_pushed=0,
         registrations=0)
    # the KEK has been renewed meanwhile, too
    assert counters(sr, "blue")["keks"] > before["sr"]["keks"]
    for name in names:
        rose(before[name], counters(lab[name], "blue"), rekeys_received=0,
             registrations=0, rekeys_missed=0)
        assert counters(lab[name], "blue")["rekeys-by-bgp"] - \
            before[name]["rekeys-by-bgp"] > 100
    print(f"sent and lost, both ways: {results}")
    for sent, lost in results:
        assert sent > 1000
        assert lost == 0
