# SPDX-License-Identifier: GPL-2.0-or-later
"""Policy at the GCKS: by options of the group, and by a policy server.

The server is the one that doc/policy.md shows, and ones that do not do what
they should.
"""

import contextlib
import dataclasses
import json
import os
import pwd
import re
import signal
import subprocess
import sys

import pytest

from lab import SOURCE, wait_for
from sites import DOMAIN, member_swanctl, section, sr_swanctl
from test_admission import (OUTSIDER, admit, admitted, as_member, refused,
                            strict, with_groups)
from test_management import counters, ctl, ctl_json, epoch
from test_restart import start_charon

PATH = "/run/charon.groupvpn.policy"
POLICY = f"policy = unix://{PATH}"
DUAL = f"dual.{DOMAIN}"
CA = "/CN=groupvpn lab CA"

_ = admit  # the fixture


def with_certificate(lab, *names, site="outsider", group="strict"):
    """swanctl.conf of a site that authenticates with a new certificate."""
    identity = f"{site}.{DOMAIN}"
    lab.credentials.issue(lab[site], identity, names=names)
    text = member_swanctl(
        dataclasses.replace(lab.site(site), credential="pubkey"), lab.network,
        groups=[])
    return with_groups(text, section(group, "id = 300", "role = member",
                                     "gcks = sr"))


def change(lab, *options):
    """Other options of the group, as an operator changes them."""
    since = lab["sr"].log_size("charon")
    lab.reconfigure("sr", with_groups(sr_swanctl(lab.network),
                                      strict(*options)))
    return since


def member(lab, name="outsider"):
    """What the GCKS lists of a registered member of the group."""
    for entry in ctl_json(lab["sr"], "list-members", "strict"):
        if entry["identity"] == f"{name}.{DOMAIN}":
            return entry
    return None


# Options


def test_issuer(lab, admit):
    rule = [f"members = {OUTSIDER}"]
    since = admit([*rule, "issuer = /CN=another CA, /CN=CA"],
                  with_certificate(lab))
    line = refused(lab, since, "matches none of the group's 'issuer'")
    assert "from 'CN=groupvpn lab CA'" in line
    change(lab, *rule, f"issuer = /CN=another CA, {CA}")
    admitted(lab)
    # Who is registered by a CA that is none anymore has to go.
    since = change(lab, *rule, "issuer = /CN=another CA")
    lab["sr"].wait_for_log("charon", "removed: not authorised anymore: its "
                           "certificate is from", since)


def test_issuer_that_changes_while_charon_is_stopped(lab, admit):
    """There are new keys, as members are not known by their certificates."""
    sr, rule = lab["sr"], [f"members = {OUTSIDER}"]
    since = admit([*rule, f"issuer = {CA}"], with_certificate(lab))
    admitted(lab)
    number, blue = epoch(sr, "strict"), epoch(sr, "blue")
    sr.charon.stop()
    sr.write("/etc/swanctl/swanctl.conf", with_groups(
        sr_swanctl(lab.network), strict(*rule, "issuer = /CN=another CA")))
    start_charon(sr)
    assert epoch(sr, "strict") > number
    refused(lab, since, "matches none of the group's 'issuer'")
    assert epoch(sr, "blue") == blue


def test_names_in_the_certificate(lab, admit):
    """Any name in it, not only the IKE identity; never without one."""
    rule = ["members = %any"]
    since = admit([*rule, "certificate = *.branches.example.net"],
                  as_member(lab))
    refused(lab, since, "did not authenticate with a certificate")
    lab.reconfigure("outsider", with_certificate(
        lab, "n7.branches.example.net"))
    lab["outsider"].swanctl("--terminate", "--ike", "sr", check=False)
    admitted(lab)
    since = change(lab, *rule, "certificate = /CN=*.branches.example.net, "
                   "n8.branches.example.net")
    line = refused(lab, since, "nor a subjectAltName matches")
    assert f"'CN={OUTSIDER}'" in line
    change(lab, *rule, f"certificate = /CN={OUTSIDER}")
    admitted(lab)


def test_max_members(lab, admit):
    options = [f"members = {OUTSIDER}, {DUAL}", "max_members = 1"]
    since = admit(options, as_member(lab))
    admitted(lab)
    usual = member_swanctl(lab.site("dual"), lab.network)
    lab.reconfigure("dual", with_groups(usual, section(
        "strict", "id = 300", "role = member", "gcks = sr")))
    try:
        line = refused(lab, since, "the group has 1 members, max_members = 1")
        assert DUAL in line and "REGISTRATION_FAILED" in line
        # Who has its place keeps it.
        since = lab["sr"].log_size("charon")
        lab.register_again("outsider")
        lab["sr"].wait_for_log("charon", f"'{OUTSIDER}' at", since)
        lab.reconfigure("outsider", member_swanctl(
            lab.site("outsider"), lab.network, groups=[]))
        wait_for(lambda: set(lab.registered("strict")) == {"dual"},
                 "the place to be taken by the one who waits", 60)
    finally:
        lab.restore("dual")


def test_receivers(lab, admit):
    rule = f"members = {OUTSIDER}"
    since = admit([rule, f"receivers = {OUTSIDER}"], as_member(lab))
    admitted(lab)
    assert member(lab)["direction"] == "receive"
    # A change reaches the member: it registers again, as what it is.
    since = change(lab, rule, f"senders = *.{DOMAIN}")
    lab["sr"].wait_for_log("charon", "has to register again", since)
    wait_for(lambda: (member(lab) or {}).get("direction") == "send",
             "the outsider to be a sender")
    since = change(lab, rule, f"senders = {OUTSIDER}",
                   f"receivers = *.{DOMAIN}")
    refused(lab, since, "the identity matches 'senders'")


# Servers


def example(lab):
    """The example server of doc/policy.md, put where the S/R sees it."""
    text = (SOURCE / "doc/policy.md").read_text()
    lab["sr"].write("/tmp/policy-server", re.search(
        r"```python\n(.*?)```", text, re.S)[1])
    return [sys.executable, "/tmp/policy-server", PATH, "/tmp/members.json"]


BROKEN = """
import os, socketserver, sys, time
class Connection(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            time.sleep(float(sys.argv[3]))
            number = line.split(b'"id":')[1].split(b",")[0].decode()
            self.wfile.write(sys.argv[2].replace("ID", number).encode() + b"\\n")
if os.path.exists(sys.argv[1]):
    os.unlink(sys.argv[1])
socketserver.ThreadingUnixStreamServer(sys.argv[1], Connection).serve_forever()
"""


class Server:
    """Runs policy servers at the S/R, one at a time."""

    def __init__(self, lab):
        self.lab = lab
        self.process = None

    def members(self, **entries):
        self.lab["sr"].write("/tmp/members.json", json.dumps(
            {"strict": {f"{k}.{DOMAIN}": v for k, v in entries.items()}}))

    def run(self, argv, path=PATH):
        self.stop()
        socket = self.lab["sr"].outside(path)
        self.process = self.lab["sr"].popen(*argv, stdout=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL)
        wait_for(socket.exists, "the policy server to listen")

    def start(self):
        self.run(example(self.lab))

    def start_broken(self, answer, delay=0):
        self.run([sys.executable, "-c", BROKEN, PATH, answer, delay])

    def recheck(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        with contextlib.suppress(FileNotFoundError):
            self.lab["sr"].outside(PATH).unlink()
        self.process = None


@pytest.fixture
def server(lab):
    server = Server(lab)
    yield server
    server.stop()


def again(lab):
    """Registration anew, from nothing."""
    since = lab["sr"].log_size("charon")
    lab.register_again("outsider")
    return since


def is_registered(lab, since):
    return lab["sr"].wait_for_log("charon", f"'{OUTSIDER}' at", since)


def label_at_bgpd(lab):
    shown = lab["sr"].bgp_json("show bgp group-vpn strict members")
    return next((m["label"] for m in shown["members"]
                 if m["identity"] == OUTSIDER), None)


def test_server_decides(lab, admit, server):
    """It allows, refuses, and takes back; also what a member may do."""
    sr = lab["sr"]
    server.members()
    server.start()
    since = admit(["members = %any", POLICY], as_member(lab))
    line = refused(lab, since, "by the policy server: not in the inventory")
    assert "AUTHORIZATION_FAILED" in line

    server.members(outsider={"receive": False, "label": "camera-1"})
    admitted(lab)
    assert member(lab)["direction"] == "send"
    assert member(lab)["label"] == "camera-1"
    # The S/R knows it, too: others may name it by that.
    assert label_at_bgpd(lab) == "camera-1"
    server.members(outsider={"receive": False, "label": "camera-2"})
    server.recheck()
    wait_for(lambda: label_at_bgpd(lab) == "camera-2", "the other label")
    counted = counters(sr, "strict")
    assert counted["policy-asked"] >= 2
    assert counted["policy-allowed"] and counted["policy-denied"]
    # A late one is an answer.
    assert counted["policy-no-answer"] == counted["policy-late-answers"]

    since = sr.log_size("charon")
    server.members(outsider={})
    server.recheck()
    sr.wait_for_log("charon", "has to register again", since)
    wait_for(lambda: (member(lab) or {}).get("direction") == "both",
             "the outsider to send and receive")

    # The operator's reload asks as well.
    number = epoch(sr, "strict")
    server.members(dual={})
    ctl(sr, "reload")
    sr.wait_for_log("charon", "removed: not authorised anymore: by the policy "
                    "server: not in the inventory", since)
    wait_for(lambda: epoch(sr, "strict") > number, "new keys without it")


def test_options_come_first(lab, admit, server):
    """The server is not asked about whom the options do not admit."""
    server.members(outsider={})
    server.start()
    since = admit([f"members = {DUAL}", POLICY], as_member(lab))
    refused(lab, since, "matches none of the group's 'members'")
    asked = counters(lab["sr"], "strict")["policy-asked"]
    refused(lab, lab["sr"].log_size("charon"), "group's 'members'")
    assert counters(lab["sr"], "strict")["policy-asked"] == asked


@pytest.mark.long
def test_server_is_away(lab, admit, server):
    """Who was allowed is, who was not asked about waits; told once."""
    sr = lab["sr"]
    # What an earlier test's server has said of it would count.
    sr.charon.stop()
    start_charon(sr)
    options = ["members = %any", POLICY]
    since = admit(options, as_member(lab))
    line = refused(lab, since, "the policy server does not answer: "
                   "No such file or directory")
    assert "REGISTRATION_FAILED" in line
    sr.wait_for_log("charon", f"policy server {PATH} does not answer", since)

    server.members(outsider={})
    server.start()
    admitted(lab)
    sr.wait_for_log("charon", "answers again", since)

    server.stop()
    before = counters(sr, "strict")["policy-from-cache"]
    since = again(lab)
    # What was said just now counts without asking; later it is the cache.
    is_registered(lab, since)
    wait_for(lambda: counters(sr, "strict")["policy-from-cache"] > before or
             (again(lab) and False), "a decision from the cache", 30, 1)
    admitted(lab)
    ctl(sr, "reload")
    wait_for(lambda: counters(sr, "strict")["policy-no-answer"] >= 2,
             "the server to have been asked in vain")
    assert admitted(lab), "who is registered stays"
    assert sr.log("charon", since).count("does not answer: ") <= 1


def test_server_says_what_is_not_valid(lab, admit, server):
    sr = lab["sr"]
    for answer, reason in (('{"id":ID,"allow":"yes"}', "neither true nor false"),
                           ("200 OK", "it is not a JSON object"),
                           ("x" * 20000, "it is too long")):
        server.start_broken(answer)
        since = admit(["members = %any", POLICY], as_member(lab))
        line = refused(lab, since, "the policy server gives an answer that is "
                       "not valid: ")
        assert reason in line and "REGISTRATION_FAILED" in line
        assert counters(sr, "strict")["policy-malformed"] > 0
        assert sr.log("charon", since).count(f"{PATH} gives an answer") <= 1
        lab.restore("outsider")
        lab.restore("sr")


def test_slow_server_holds_up_nobody(lab, admit, server):
    """Its answer counts when it comes; the others register meanwhile."""
    sr = lab["sr"]
    server.start_broken('{"id":ID,"allow":true}', 2.5)
    since = admit(["members = %any", POLICY], as_member(lab))
    sr.wait_for_log("charon", "group 'strict' (300) started", since)
    wait_for(lambda: PATH in sr.run("ss", "-xH", "state", "established"),
             "the server to be asked")
    lab.register_again("blue1")
    line = sr.wait_for_log("charon", f"'blue1.{DOMAIN}' at", since)
    assert "registered" in line
    # The one before it, of another test, counts until then.
    sr.wait_for_log("charon", "no answer within 1000 ms", since)
    admitted(lab)
    counted = counters(sr, "strict")
    assert counted["policy-late-answers"] and counted["policy-no-answer"]


def test_server_of_somebody_else(lab, admit, server):
    """Only root, or who charon runs as, may decide."""
    nobody = pwd.getpwnam("nobody")
    folder = lab["sr"].outside("/run/nobody")
    folder.mkdir(exist_ok=True)
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    path = "/run/nobody/policy"
    server.run(["setpriv", f"--reuid={nobody.pw_uid}", "--clear-groups",
                sys.executable, "-c", BROKEN, path, '{"id":ID,"allow":true}',
                0], path)
    since = admit(["members = %any", f"policy = unix://{path}"],
                  as_member(lab))
    refused(lab, since, f"user {nobody.pw_uid} listens there, must be root")
