# SPDX-License-Identifier: GPL-2.0-or-later
"""The exchange types of RFC 9838 on the wire, beside the informational carrier.

One network for all: members of both carriers at one GCKS, IKE SAs with AEAD and
with CBC and HMAC, one whose messages are fragmented, one in two groups.
"""

import collections
import os
import re
import signal
import socket
import struct
import subprocess

import pytest

from kept import report
from lab import wait_for
from sites import (SR_ADDRESS, Network, Site, build, member_swanctl,
                   sr_swanctl)
from test_management import ctl, ctl_json

IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL = 34, 35, 36, 37
GSA_AUTH, GSA_REGISTRATION, GSA_REKEY, GSA_INBAND_REKEY = 39, 40, 41, 42
OURS = {GSA_AUTH, GSA_REGISTRATION, GSA_REKEY, GSA_INBAND_REKEY}
SK, SKF = 46, 53

EXCHANGE = ("cbc", "gcm", "both")  # the sites with carrier = exchange
PLUGIN = "    exchange = yes\n"

Ike = collections.namedtuple(
    "Ike", "src dst spi_i spi_r next type response mid data")


def parse(frame):
    """The IKE message in an Ethernet frame, or None."""
    if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_UDP:
        return None
    ip = frame[14:]
    udp = ip[(ip[0] & 15) * 4:]
    ports = struct.unpack(">HH", udp[:4])
    if not {500, 4500} & set(ports):
        return None
    data = udp[8:]
    if 500 not in ports:
        if data[:4] != bytes(4):
            return None
        data = data[4:]
    if len(data) < 28:
        return None
    return Ike(socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20]),
               data[:8], data[8:16], data[16], data[18], bool(data[19] & 0x20),
               struct.unpack(">I", data[20:24])[0], data)


class Wire:
    """What of IKE passes by the S/R's link."""

    def __init__(self, lab):
        self.capture = lab.capture(lab["b1"], "to-sr", "udp")
        self.lab = lab

    def messages(self, site=None, types=None):
        found = [m for m in map(parse, self.capture.frames()) if m]
        gateway = site and self.lab.site(site).gateway
        return [m for m in found
                if (not site or gateway in (m.src, m.dst))
                and (not types or m.type in types)]

    def types(self, site):
        return {m.type for m in self.messages(site)}

    def requests(self, site, types):
        """The types of the requests, without repetitions and fragments."""
        return list({(m.spi_i, m.mid): m.type for m in
                     self.messages(site, types) if not m.response}.values())

    def wait(self, site, kind, response, count=1):
        return wait_for(
            lambda: len([m for m in self.messages(site, {kind})
                         if m.response == response]) >= count,
            f"{count} of exchange type {kind} of {site}")

    def stop(self):
        self.capture.stop()


def swanctl(lab, site, groups=None):
    """A site's swanctl.conf with its carrier and IKE proposal."""
    site = lab.site(site)
    text = member_swanctl(site, lab.network, groups)
    if site.name in EXCHANGE:
        text = text.replace("gcks = sr\n", "gcks = sr\n    "
                            "    carrier = exchange\n")
    proposal = {"gcm": "aes256gcm16-prfsha256-x25519"}.get(
        site.name, "aes128-sha256-x25519")
    return text.replace("dpd_delay = 3s",
                        f"dpd_delay = 3s\n        proposals = {proposal}")


def options(host, *lines):
    text = host.read("/etc/strongswan.d/charon/groupvpn.conf")
    host.write("/etc/strongswan.d/charon/groupvpn.conf",
               text.replace("load = yes\n", "load = yes\n" + "".join(lines)))


@pytest.fixture(scope="module")
def running():
    lab = build(Network(
        groups={"blue": 100, "red": 200},
        policy={group: ("rekey = inband",) for group in ("blue", "red")},
        sites=[Site("cbc", {"blue": "10.1.0"}),
               Site("gcm", {"blue": "10.2.0"}, credential="pubkey"),
               Site("both", {"blue": "10.3.0", "red": "10.3.0"}),
               Site("plain", {"blue": "10.4.0"}),
               Site("outsider", {"blue": "10.6.0"}, authorised=False)]))
    try:
        options(lab["sr"], PLUGIN)
        lab["sr"].write("/etc/swanctl/swanctl.conf", sr_swanctl(
            lab.network).replace("dpd_delay = 3s", "dpd_delay = 3s\n"
            "        proposals = aes128-sha256-x25519, "
            "aes256gcm16-prfsha256-x25519"))
        for site in lab.network.sites:
            lab[site.name].write("/etc/swanctl/swanctl.conf",
                                 swanctl(lab, site.name))
        # Certificates do not fit, what goes to and from this one is fragmented.
        for host in ("gcm", "sr"):
            lab[host].write("/etc/strongswan.d/fragments.conf",
                            "charon-systemd {\n    fragment_size = 576\n}\n")
        # The keys of this one's IKE SA are in its log.
        log = lab["cbc"].read("/etc/strongswan.d/lab.conf")
        lab["cbc"].write("/etc/strongswan.d/lab.conf",
                         log.replace("cfg = 2", "cfg = 2\n        ike = 4"))
        wire = Wire(lab)
        lab.start()
        lab.wait_until_up()
        wire.stop()
        lab.wire_at_start = wire
    except BaseException:
        report(lab, "carrier-start")
        lab.close()
        raise
    yield lab
    lab.close()


@pytest.fixture
def lab(running, request):
    yield running
    if getattr(request.node, "failed", False):
        report(running, request.node.name)


@pytest.fixture
def wire(lab):
    wire = Wire(lab)
    yield wire
    wire.stop()


def epoch(lab, site, group="blue"):
    shown = lab[site].bgp_json("show bgp group-vpn")["groups"]
    return shown.get(group, {}).get("epoch", 0)


def counters(lab, host="sr"):
    return ctl_json(lab[host], "counters")["counters"]["-exchange"]


def rekey(lab, sites, group="blue"):
    """A new epoch, which all of these have to get; its number."""
    number = int(ctl_json(lab["sr"], "rekey", group)["epoch"])
    for site in sites:
        wait_for(lambda s=site: epoch(lab, s, group) >= number,
                 f"epoch {number} at {site}")
    return number


# Registration ----------------------------------------------------------------

def test_registration_in_the_rfc_exchanges(lab):
    wire = lab.wire_at_start
    for site in EXCHANGE:
        types = wire.types(site)
        assert {IKE_SA_INIT, GSA_AUTH} <= types and IKE_AUTH not in types
    # The first group comes with the authentication, the others after it.
    assert GSA_REGISTRATION not in wire.types("cbc")
    assert wire.requests("both", OURS)[:2] == [GSA_AUTH, GSA_REGISTRATION]
    # The reserved bits are none on the wire.
    assert not [m for m in wire.messages() if m.data[19] & 0xc7]
    assert not wire.types("plain") & OURS
    assert {IKE_AUTH, INFORMATIONAL} <= wire.types("plain")


def test_fragmented(lab):
    fragments = [m for m in lab.wire_at_start.messages("gcm", {GSA_AUTH})
                 if m.next == SKF]
    assert {m.response for m in fragments} == {False, True}
    assert all(m.next == SK for m in
               lab.wire_at_start.messages("cbc", {GSA_AUTH}))


def test_members_of_both_carriers_reach_each_other(lab):
    for site, address in (("cbc", "10.4.0.10"), ("plain", "10.2.0.10"),
                          ("gcm", "10.3.0.10")):
        assert lab.answer(lab.site(site), "blue", address)
    assert set(lab.registered("blue")) == {"cbc", "gcm", "both", "plain"}


def test_ciphers_of_the_ike_sas(lab):
    """Integrity covers the header with both kinds."""
    sas = {site: lab[site].swanctl("--list-sas") for site in EXCHANGE}
    assert "AES_CBC-128/HMAC_SHA2_256_128" in sas["cbc"]
    assert "AES_GCM_16-256" in sas["gcm"]


# What tshark makes of it -----------------------------------------------------

def ike_keys(log):
    """SPIs and keys of the first IKE SA in a log with ike = 4."""
    keys, name = {}, None
    for line in log.splitlines():
        found = re.search(r"Sk_(ai|ar|ei|er) secret => (\d+) bytes", line)
        dump = re.search(r"\s+\d+: ((?:[0-9A-F]{2} )+)", line)
        if found and found[1] in keys and len(keys) == 4:
            break
        if found:
            name = found[1]
            keys[name] = ""
        elif dump and name:
            keys[name] += dump[1].replace(" ", "").lower()
        else:
            name = None
    return keys


def test_tshark_decodes_a_registration(lab, tmp_path):
    """With the IKE SA's keys it decrypts, and names the payloads."""
    wire = lab.wire_at_start
    keys = ike_keys(lab["cbc"].log("charon"))
    assert len(keys["ei"]) == 32 and len(keys["ai"]) == 64
    message = wire.messages("cbc", {GSA_AUTH})[0]
    table = ",".join([
        message.spi_i.hex(), message.spi_r.hex(), keys["ei"], keys["er"],
        '"AES-CBC-128 [RFC3602]"', keys["ai"], keys["ar"],
        '"HMAC_SHA2_256_128 [RFC4868]"'])
    out = subprocess.run(
        ["tshark", "-n", "-V", "-r", wire.capture.file,
         "-o", f"uat:ikev2_decryption_table:{table}",
         "-Y", f"isakmp.ispi == {message.spi_i.hex()} and "
               f"isakmp.exchangetype == {GSA_AUTH}"],
        text=True, capture_output=True, check=True,
        env=os.environ | {"HOME": str(tmp_path)}).stdout
    # Either may be there twice.
    frames = out.split("\nFrame ")
    request, response = (next(f for f in frames if f"version, {flag})" in f)
                         for flag in ("Request", "Response"))
    for text in (request, response):
        assert "Exchange type: Unknown (39)" in text \
            or "Exchange type: GSA_AUTH" in text
        assert "Decrypted Data" in text
        assert "Integrity Checksum Data" in text and "[correct]" in text
    assert "Payload: Group Identification (50)" in request
    assert "Payload: Security Association (33)" in request
    assert "Data Payload: 0b00000000000064" in request
    assert "Payload: Authentication (39)" in request
    assert "Payload: Group Security Association (51)" in response
    assert "Payload: Key Download (52)" in response
    assert "USE_TRANSPORT_MODE" in response


# In-band rekey ---------------------------------------------------------------

def test_rekey_the_way_the_member_registered(lab, wire):
    everybody = (*EXCHANGE, "plain")
    before = ctl_json(lab["sr"], "counters")["counters"]["blue"]
    rekey(lab, everybody)
    rekey(lab, everybody)
    for site in EXCHANGE:
        wire.wait(site, GSA_INBAND_REKEY, True, 2)
    assert not wire.types("plain") & OURS
    # Three epochs do not fit: fragments, but where charon cannot receive them.
    assert [m for m in wire.messages("cbc", {GSA_INBAND_REKEY})
            if m.next == SKF]
    assert all(m.next == SK for m in wire.messages("plain", {INFORMATIONAL}))
    wait_for(lambda: ctl_json(lab["sr"], "counters")["counters"]["blue"]
             ["rekeys-acknowledged"] >= before["rekeys-acknowledged"] + 8,
             "eight acknowledgements")
    # Dead peer detection goes on beside it.
    wait_for(lambda: INFORMATIONAL in wire.types("cbc"), "a DPD of cbc")


def test_rekeyed_ike_sa_keeps_to_its_exchanges(lab, wire):
    for site in ("cbc", "gcm", "both"):
        since = {name: lab[name].log_size("charon") for name in ("sr", site)}
        lab[site].swanctl("--rekey", "--ike", "sr")
        wire.wait(site, CREATE_CHILD_SA, True)
        for name in since:
            lab[name].wait_for_log("charon", "rekeyed between", since[name])
    rekey(lab, EXCHANGE)
    for site in EXCHANGE:
        wire.wait(site, GSA_INBAND_REKEY, True)
        spis = {m.spi_i for m in wire.messages(site, {GSA_INBAND_REKEY})}
        assert len(spis) == 1
        assert not spis & {m.spi_i for m in
                           lab.wire_at_start.messages(site, {GSA_AUTH})}


# The end of a membership -----------------------------------------------------

def test_leave_and_come_back(lab, wire):
    since = lab["sr"].log_size("charon")
    lab.reconfigure("both", swanctl(lab, "both", groups=["blue"]))
    lab["sr"].wait_for_log("charon", "removed: it left the group", since)
    wire.wait("both", GSA_REGISTRATION, True)
    lab.reconfigure("both", swanctl(lab, "both"))
    wire.wait("both", GSA_REGISTRATION, True, 2)
    wait_for(lambda: "both" in lab.registered("red"), "both in red")
    lab.wait_until_up()


def test_eviction(lab, wire):
    ctl(lab["sr"], "evict", "blue", "cbc.example.net")
    wire.wait("cbc", GSA_INBAND_REKEY, True)
    wait_for(lambda: not lab["cbc"].states(), "cbc to have no states")
    ctl(lab["sr"], "readmit", "blue", "cbc.example.net")
    lab.wait_until_up()


# Errors ----------------------------------------------------------------------

def test_refusals(lab, wire):
    """By authentication and registration in one, and by itself."""
    text = swanctl(lab, "outsider").replace(
        "gcks = sr\n", "gcks = sr\n        carrier = exchange\n")
    since = lab["sr"].log_size("charon"), lab["outsider"].log_size("charon")
    lab["outsider"].swanctl("--terminate", "--ike", "sr", check=False)
    lab.reconfigure("outsider", text)
    line = lab["sr"].wait_for_log(
        "charon", "for group-ID 100 refused with AUTHORIZATION_FAILED",
        since[0])
    assert "outsider.example.net" in line
    lab["outsider"].wait_for_log("charon", "AUTHORIZATION_FAILED", since[1])
    wire.wait("outsider", GSA_AUTH, True)
    # The IKE SA is up nevertheless, and used by the next attempt.
    wire.wait("outsider", GSA_REGISTRATION, True)
    since = lab["sr"].log_size("charon"), lab["outsider"].log_size("charon")
    lab.reconfigure("outsider", text.replace("id = 100", "id = 999"))
    lab["sr"].wait_for_log(
        "charon", "for group-ID 999 refused with INVALID_GROUP_ID", since[0])
    lab["outsider"].wait_for_log("charon", "INVALID_GROUP_ID", since[1])
    lab.reconfigure("outsider", swanctl(lab, "outsider"))


def test_policy_that_the_member_cannot_do(lab, wire):
    """Told before it gets keys, with what it can do in the GCKS's log."""
    for site in ("plain", "both"):
        since = lab["sr"].log_size("charon"), lab[site].log_size("charon")
        text = swanctl(lab, site, groups=["blue"])
        lab.reconfigure(site, text.replace(
            "gcks = sr\n", "gcks = sr\n        esp_proposals = aes128gcm16,"
            " aes256-sha256\n"))
        line = lab["sr"].wait_for_log(
            "charon", "for group-ID 100 refused with NO_PROPOSAL_CHOSEN",
            since[0])
        assert "encr 20/128 sn 0+1, encr 12/256 integ 12 sn 0+1+2" in line
        lab[site].wait_for_log("charon", "'esp_proposals' here", since[1])
        lab.reconfigure(site, swanctl(lab, site))
    lab.wait_until_up()


# What the network does -------------------------------------------------------

def test_retransmitted(lab, wire):
    lab["both"].write("/etc/swanctl/swanctl.conf",
                      swanctl(lab, "both", groups=["blue"]))
    # A DPD that nobody answers would be in the way: one has just been.
    heard = len(wire.messages("both", {INFORMATIONAL}))
    wait_for(lambda: [m for m in wire.messages("both", {INFORMATIONAL})[heard:]
                      if m.src == SR_ADDRESS], "a DPD of either")
    lab["sr"].charon.process.send_signal(signal.SIGSTOP)
    try:
        lab["both"].swanctl("--reload-settings")
        wire.wait("both", GSA_REGISTRATION, False, 2)
    finally:
        lab["sr"].charon.process.send_signal(signal.SIGCONT)
    wire.wait("both", GSA_REGISTRATION, True)
    requests = [m.data for m in wire.messages("both", {GSA_REGISTRATION})
                if not m.response]
    assert len(set(requests)) == 1
    lab.reconfigure("both", swanctl(lab, "both"))
    lab.wait_until_up()


def garbage(spi_i, spi_r, kind):
    """Messages of an exchange type that nobody authenticated."""
    for flags in (0x08, 0x20, 0xc8, 0xff):
        for following, body in ((SK, os.urandom(60)), (SKF, os.urandom(60)),
                                (50, os.urandom(20)), (0, b""),
                                (SK, b"\x00\x00\x00\x04"), (SK, b"\x2a")):
            length = 28 + len(body)
            yield (spi_i + spi_r + bytes([following, 0x20, kind, flags])
                   + struct.pack(">II", 2, length) + body)
    yield spi_i + spi_r + bytes([SK, 0x20, kind, 8])
    yield spi_i + spi_r + bytes([SK, 0x10, kind, 8]) + bytes(8 + 40)
    yield spi_i + spi_r + bytes([SK, 0x30, kind, 8]) + bytes(8 + 40)


def test_garbage_changes_nothing_and_is_counted(lab, wire):
    rekey(lab, EXCHANGE)
    wire.wait("cbc", GSA_INBAND_REKEY, True)
    genuine = wire.messages("cbc", {GSA_INBAND_REKEY})[-1]
    log = lab["sr"].log_size("charon")

    def exchanges():
        """What members and GCKS had to say to each other."""
        shown = ctl_json(lab["sr"], "counters")["counters"]
        return [shown[group][what] for group in lab.network.groups for what in
                ("registrations", "rekeys-pushed", "rekeys-acknowledged")]

    def is_undisturbed():
        """There may be new keys meanwhile, because somebody has left."""
        had, before = exchanges(), counters(lab)
        send_garbage(lab, genuine)
        wait_for(lambda: all(
            counters(lab)[c] > before[c] for c in
            ("datagrams-received", "datagrams-invalid")),
            "the garbage to be counted")
        accepted = counters(lab)["messages-accepted"]
        return exchanges() == had and [accepted - before["messages-accepted"]]
    assert wait_for(is_undisturbed, "garbage between two exchanges") == [0]
    assert lab["sr"].charon.running
    rekey(lab, (*EXCHANGE, "plain"))
    text = lab["sr"].log("charon", log)
    assert "removed:" not in text and "deleting IKE_SA" not in text


def send_garbage(lab, genuine):
    """To the S/R, with the SPIs of a message that was genuine, and others."""
    with lab["cbc"].socket(kind=socket.SOCK_RAW,
                           proto=socket.IPPROTO_UDP) as raw:
        for port in (500, 4500):
            for spis in ((genuine.spi_i, genuine.spi_r), (os.urandom(8),) * 2,
                         (os.urandom(8), bytes(8)), (bytes(8), bytes(8))):
                for kind in (INFORMATIONAL, *sorted(OURS)):
                    for data in garbage(*spis, kind):
                        if port == 4500:
                            data = bytes(4) + data
                        raw.sendto(struct.pack(">HHHH", port, port,
                                               8 + len(data), 0) + data,
                                   (SR_ADDRESS, 0))
        # A message that was genuine, of another type.
        for kind in (INFORMATIONAL, *sorted(OURS)):
            data = genuine.data[:18] + bytes([kind]) + genuine.data[19:]
            data = bytes(4) + data
            raw.sendto(struct.pack(">HHHH", 4500, 4500, 8 + len(data), 0)
                       + data, (SR_ADDRESS, 0))


# Without it ------------------------------------------------------------------

def test_turned_on_by_a_reload(lab, wire):
    """A member's IKE SA from before is replaced by one that can."""
    since = lab["plain"].log_size("charon")
    text = swanctl(lab, "plain")
    lab.reconfigure("plain", text.replace(
        "gcks = sr\n", "gcks = sr\n        carrier = exchange\n"))
    lab["plain"].wait_for_log("charon", "exchange types of RFC 9838", since)
    wire.wait("plain", GSA_AUTH, True)
    lab.wait_until_up()
    lab.reconfigure("plain", text)
    lab.wait_until_up()


@pytest.mark.long
def test_gcks_that_does_not_accept_them(lab, wire):
    """It takes the others, and the member says what is missing."""
    host = lab["sr"]
    path = "/etc/strongswan.d/charon/groupvpn.conf"
    host.write(path, host.read(path).replace(PLUGIN, ""))
    host.charon.stop()
    since = lab["cbc"].log_size("charon")
    host.charon.start()
    host.load_swanctl()
    wait_for(lambda: "plain" in lab.registered("blue"), "plain to register")
    lab["cbc"].wait_for_log("charon", "exchange = yes", since, 60)
    wire.wait("cbc", GSA_AUTH, False)
    assert not [m for m in wire.messages(None, {GSA_AUTH}) if m.response]
    with pytest.raises(KeyError):
        counters(lab)
