# SPDX-License-Identifier: GPL-2.0-or-later
"""vtysh as a client of charon's management, and who may do what with it."""

import itertools
import json
import re
import socket
import struct

from lab import LabError, wait_for
from sites import section, sr_swanctl
from test_management import ctl, ctl_json, epoch

SOCKET = "/run/charon.groupvpn.ctl"
HELLO, SYNC, COMMAND, ANSWER = 1, 2, 30, 31


def attempt(host, command, by=()):
    """Whether vtysh succeeded, and what it printed."""
    process = host.popen(*by, host.flavour.vtysh, "-c", command, text=True,
                         stdout=-1, stderr=-1)
    out, err = process.communicate(timeout=30)
    return process.returncode == 0, out + err


def ask(host, command):
    ok, out = attempt(host, command)
    if not ok:
        raise LabError(f"{host.name}: {command}: {out}")
    return out


def ask_json(host, command):
    return json.loads(ask(host, command + " json"))


def timeless(text):
    """Without what changes from one second to the next."""
    if isinstance(text, str):
        return re.sub(r" +\d+s", " Ns", text)
    if isinstance(text, list):
        return [timeless(x) for x in text]
    return {key: timeless(value) if isinstance(value, (dict, list)) else value
            for key, value in text.items()
            if key not in ("age", "expires", "next-epoch", "rekey-expires",
                           "uptime")}


# What is shown ---------------------------------------------------------------

def test_shows_what_groupvpnctl_does(lab):
    # What changes from one look to the other is looked at again.
    for name, (shown, listed) in itertools.product(
            ("sr", "dual"),
            (("groups", "list-groups"), ("members", "list-members"),
             ("sas", "list-sas"), ("version", "version"))):
        host = lab[name]
        wait_for(lambda h=host, s=shown, c=listed:
                 timeless(ask(h, f"show group-vpn {s}"))
                 == timeless(ctl(h, c)), f"{shown} to be the same on {name}")
        wait_for(lambda h=host, s=shown, c=listed:
                 timeless(ask_json(h, f"show group-vpn {s}"))
                 == timeless(ctl_json(h, c)),
                 f"{shown} to be the same in JSON on {name}")
        if shown != "version":
            one = ask_json(host, f"show group-vpn {shown} red")
            assert one and {x["group"] for x in one} == {"red"}


def test_shows_counters(lab):
    text = ask(lab["sr"], "show group-vpn counters blue")
    assert text.startswith("blue:\n  registrations          : ")
    shown = ask_json(lab["sr"], "show group-vpn counters")
    assert set(shown["counters"]) == {"blue", "red", "-"}


def test_an_answer_of_many_parts(lab):
    host = lab["sr"]
    names = [f"group-{n}" for n in range(60)]
    groups = "".join(section(n, f"id = {1000 + i}", "role = gcks",
                             "members = *.example.net")
                     for i, n in enumerate(names))
    text = sr_swanctl(lab.network).rstrip().removesuffix("}")
    try:
        host.write("/etc/swanctl/swanctl.conf", text + groups + "}\n")
        assert "read again" in ask(host, "group-vpn reload")
        raw = ask(host, "show group-vpn groups json")
        assert len(raw) > 2 * 4000
        assert {g["group"] for g in json.loads(raw)} == {"blue", "red", *names}
    finally:
        host.write("/etc/swanctl/swanctl.conf", sr_swanctl(lab.network))
        ask(host, "group-vpn reload")
    assert "there is no group 'group-1' here" \
        in attempt(host, "show group-vpn groups group-1")[1]


def test_help_and_completion(lab):
    host = lab["sr"]
    lines = "show group-vpn ?\nshow group-vpn members ?\n" \
            "show bgp group-vpn ?\ngroup-vpn ?\n"
    shown = host.run(host.flavour.vtysh, stdin=lines)
    for word in ("counters  What has happened", "sas       Epochs",
                 "evict    Key server: remove", "reload   Read the groups"):
        assert word in shown, shown
    assert shown.count(" blue ") >= 2 and shown.count(" red ") >= 2, shown


# What changes something ------------------------------------------------------

def test_rekey(lab):
    lab.wait_until_no_epoch_is_due("red")
    for command in ("group-vpn rekey red", "clear bgp group-vpn red rekey"):
        old = epoch(lab["sr"], "red")
        assert "given to 2 members" in ask(lab["sr"], command)
        new = epoch(lab["sr"], "red")
        assert new > old
        for name in ("red1", "dual"):
            wait_for(lambda n=name, e=new: epoch(lab[n], "red") == e,
                     f"{name} to have the epoch")


def test_evict_and_readmit(lab):
    sr, site = lab["sr"], lab.site("red1")
    lab.wait_until_no_epoch_is_due("red")
    member = lab.registered("red")["red1"]["memberId"]
    out = ask(sr, f"group-vpn evict red {site.identity} reason stolen  at night")
    assert f"'{site.identity}' is evicted" in out
    assert "given to 1 members" in out
    wait_for(lambda: site.lan_prefix("red") not in
             lab.routes(lab.site("dual"), "red"), "its route to go")
    evicted, = (m for m in ask_json(sr, "show group-vpn members red")
                if m["state"] == "evicted")
    assert evicted["reason"] == "stolen at night"
    ok, out = attempt(sr, f"group-vpn evict red {member}")
    assert not ok and "is evicted from group 'red' already" in out
    assert "may register again" in ask(sr, f"group-vpn readmit red {member}")
    lab.wait_until_up()


# Errors ----------------------------------------------------------------------

ERRORS = (
    ("show group-vpn groups green", "% there is no group 'green' here"),
    ("show group-vpn counters green", "% there is no group 'green' here"),
    ("show group-vpn sas -x", "% -x: a group's name has 1 to 31 of"),
    ("group-vpn rekey green", "not the GCKS of a group 'green'"),
    ("group-vpn rekey a/b", "% a/b: a group's name has 1 to 31 of"),
    ("group-vpn evict blue 0", "% 0: a member-ID is 1 to 65535"),
    ("group-vpn evict blue 65536", "% 65536: a member-ID is 1 to 65535"),
    ("group-vpn evict blue 999", "group 'blue' has no member 999"),
    ("group-vpn evict blue *.example.net", "is a pattern: must be the identity"),
    ("group-vpn evict blue " + 256 * "x", "% an identity has at most 255"),
    ("group-vpn evict blue 1 reason " + 256 * "x", "% a reason has at most"),
    ("group-vpn readmit blue blue1.example.net", "is not evicted"),
)


def test_errors(lab):
    for command, message in ERRORS:
        ok, out = attempt(lab["sr"], command)
        assert not ok and message in out, (command, out)


def test_a_member_is_no_gcks(lab):
    ok, out = attempt(lab["blue1"], "group-vpn rekey blue")
    assert not ok and "not the GCKS of a group 'blue'" in out


def test_charon_away(lab):
    host = lab["outsider"]
    assert host.charon.stop() == 0
    try:
        ok, out = attempt(host, "show group-vpn groups")
        assert not ok and f"% {SOCKET}: " in out
        assert "charon does not run, or without the groupvpn plugin" in out
    finally:
        host.charon.start()
        host.load_swanctl()
    assert "registration" not in ask(host, "show group-vpn version")


def test_who_may(lab):
    """Who may use the socket may look; only root changes something."""
    host = lab["sr"]
    lab.wait_until_no_epoch_is_due("blue")
    before = epoch(host, "blue")
    frr = ("setpriv", "--reuid=frr", "--regid=frr", "--clear-groups")
    ok, out = attempt(host, "show group-vpn groups blue", frr)
    assert ok and out.startswith("blue: group-ID 100, GCKS")
    for command in ("group-vpn rekey blue", "group-vpn reload",
                    "group-vpn evict blue 1", "group-vpn readmit blue 1"):
        ok, out = attempt(host, command, frr)
        assert not ok and "is for root only" in out
    assert epoch(host, "blue") == before
    other = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--groups=frrvty")
    ok, out = attempt(host, "show group-vpn groups", other)
    assert not ok and f"% {SOCKET}: Permission denied: only root" in out


# What a management client hears ----------------------------------------------

class Client:
    """A client of the control socket."""

    def __init__(self, host):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(30)
        self.socket.connect(str(host.outside(SOCKET)))

    def send(self, kind, *tlvs, version=1):
        self.socket.send(struct.pack("!BBHI", version, kind, 0, 7) + b"".join(
            struct.pack("!HH", t, len(value)) + value for t, value in tlvs))

    def receive(self):
        """Type and TLVs of a message."""
        data = self.socket.recv(5000)
        if not data:
            return None, {}  # the end
        tlvs, at = {}, 8
        while at < len(data):
            kind, length = struct.unpack_from("!HH", data, at)
            tlvs[kind] = data[at + 4:at + 4 + length]
            at += 4 + length
        return data[1], tlvs

    def answer(self):
        """Types of the messages up to the end of an answer, and its lines."""
        kinds, text = [], b""
        while True:
            kind, tlvs = self.receive()
            kinds.append(kind)
            if kind is None or (kind == ANSWER and 19 not in tlvs):
                return set(kinds), [json.loads(x) for x in text.splitlines()]
            if kind == ANSWER:
                text += tlvs[19]


def test_a_management_client_is_told_nothing_else(lab):
    site = lab["blue1"]
    client, bgpd = Client(site), Client(site)
    bgpd.send(HELLO)
    heard = []
    while (message := bgpd.receive())[0] not in (SYNC, None):
        heard.append(message)
    assert any(12 in tlvs for _, tlvs in heard), "bgpd gets the route secret"

    client.send(COMMAND, (18, b"list-groups"))
    kinds, lines = client.answer()
    assert kinds == {HELLO, ANSWER}
    assert [x.get("group") for x in lines] == ["blue", None]
    assert lines[-1] == {"success": True}
    # Changes are told to all that have said HELLO.
    ctl(lab["sr"], "rekey", "blue")
    while (kind := bgpd.receive()[0]) != 10:
        assert kind is not None, "charon closed bgpd's connection"
    client.send(COMMAND, (18, b"frobnicate"))
    kinds, lines = client.answer()
    assert kinds == {ANSWER}
    assert lines == [{"success": False,
                      "errmsg": "there is no command 'frobnicate'"}]
    # One that can not be read is ignored, another message ends it.
    client.send(COMMAND, (18, b"two words"))
    client.send(COMMAND, (18, b"version"))
    assert client.answer()[1][0]["success"] is True
    client.send(20, (1, b"\0\0\0\x64"), (2, b"\0\x09"), (3, b"\0\0\x09"),
                (4, b"\xcb\0\x71\x63"))
    assert client.receive() == (None, {})
