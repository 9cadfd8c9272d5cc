# SPDX-License-Identifier: GPL-2.0-or-later
"""groupvpnctl and what is behind it: every command, every event, eviction."""

import json
import shutil
import signal
import stat
import subprocess
import threading
import time

import pytest

from kept import Kept
from lab import BUILD, LabError, Ping, wait_for
from sites import Network, Site, section, sr_swanctl
from test_restart import devices

SOCKET = "/run/charon.groupvpn.vici"
OK, FAILED, USAGE, UNREACHABLE = range(4)


def program(host):
    """groupvpnctl, where a host can see it."""
    inside = "/tmp/groupvpnctl"
    if not host.outside(inside).exists():
        shutil.copy(BUILD / "groupvpnctl", host.outside(inside))
    return inside


def attempt(host, *arguments, by=()):
    """Exit status, standard output and standard error of groupvpnctl."""
    process = host.popen(*by, program(host), *arguments, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=180)
    return process.returncode, out, err


def ctl(host, *arguments):
    status, out, err = attempt(host, *arguments)
    if status != OK:
        raise LabError(f"groupvpnctl {arguments} ended with {status}: {err}")
    assert not err
    return out


def ctl_json(host, *arguments):
    return json.loads(ctl(host, "--json", *arguments))


def epoch(host, group):
    return ctl_json(host, "list-groups", group)[0]["epoch"]


def next_epoch(host, group):
    """In how many seconds a GCKS begins one."""
    return ctl_json(host, "list-groups", group)[0]["next-epoch"]


def newest_tag(host, group):
    return int(ctl_json(host, "list-sas", group)[-1]["tag"], 16)


def counters(host, group):
    return ctl_json(host, "counters", group)["counters"][group]


def follow(host, *options):
    """groupvpnctl monitor, when it follows events: charon may just begin."""
    def attempt():
        process = host.popen(program(host), *options, "monitor", text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said = process.stderr.readline()
        if "following events" in said:
            return process
        process.kill()
        process.communicate()
        raise LabError(said)
    return wait_for(attempt, f"{host.name} to tell of events")


class Monitor:
    """groupvpnctl --json monitor, and what it has printed."""

    def __init__(self, host):
        self.events = []
        self.process = follow(host, "--json")
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def wait(self, event, **values):
        return wait_for(lambda: next((e for e in self.events
                                      if e["event"] == event and
                                      values.items() <= e.items()), None),
                        f"the event {event} {values} among {self.events}")

    def stop(self):
        """Its exit status and last words."""
        self.process.send_signal(signal.SIGTERM)
        return self.end()

    def end(self):
        status = self.process.wait(60)
        self.thread.join(60)
        return status, self.process.stderr.read()


@pytest.fixture
def monitor():
    monitors = []

    def make(host):
        monitors.append(Monitor(host))
        return monitors[-1]
    yield make
    for one in monitors:
        one.process.kill()
        one.process.wait()


# What there is ---------------------------------------------------------------

def test_version(lab):
    assert ctl(lab["sr"], "version").startswith("groupvpn 0.")
    assert ctl_json(lab["sr"], "version")["strongswan"]


def test_groups_of_a_gcks(lab):
    groups = {g["group"]: g for g in ctl_json(lab["sr"], "list-groups")}
    assert set(groups) == set(lab.network.groups)
    blue = groups["blue"]
    assert blue["group-id"] == 100 and blue["role"] == "gcks"
    assert blue["cipher"] == "AES_GCM_16-256/ESN"
    assert (blue["lifetime"], blue["atd"], blue["dtd"]) == (3600, 10, 20)
    assert blue["members"] == len(lab.network.members("blue"))
    assert blue["evicted"] == 0
    assert blue["age"] + blue["next-epoch"] <= blue["lifetime"]
    text = ctl(lab["sr"], "list-groups", "blue")
    assert text.startswith("blue: group-ID 100, GCKS\n  gateway: 192.0.2.2\n")
    assert "AES_GCM_16-256/ESN, derived SAs, replay window" in text
    assert "lifetime 3600s, ATD 10s, DTD 20s" in text
    assert "members: 3 registered, 0 evicted" in text
    assert "red: group-ID" not in text


def test_groups_of_a_member(lab):
    def settled():
        group, = ctl_json(lab["blue1"], "list-groups")
        return group["members"] == group["ready"] == 2 and \
            group["states"] == len(lab["blue1"].states()) and group
    group = wait_for(settled, "all states of both others")
    shown = lab.registered("blue")["blue1"]
    assert group["role"] == "member" and group["state"] == "registered"
    assert group["gcks"] == "sr" and group["up"] is True
    assert group["member-id"] == shown["memberId"]
    assert group["sender-id"] == shown["senderId"]
    assert (group["device"], group["vrf"]) == ("gv-blue", "blue")
    text = ctl(lab["blue1"], "list-groups")
    assert "state:   registered with 'sr' (IKE_SA #" in text
    assert "device:  gv-blue, VRF blue" in text
    assert "default table" in ctl(lab["blue2"], "list-groups")
    # One that is refused tells that it is waiting.
    outsider, = ctl_json(lab["outsider"], "list-groups")
    assert outsider["up"] is False and outsider["state"] != "registered"


def test_members(lab):
    def settled():
        at_sr = ctl_json(lab["sr"], "list-members", "blue")
        at_blue1 = ctl_json(lab["blue1"], "list-members")
        return all(m["state"] == "registered" for m in at_sr) and \
            all(m["state"] == "ready" for m in at_blue1) and \
            {(m["member-id"], m["sender-id"], m["gateway"]) for m in at_blue1} \
            == {(m["member-id"], m["sender-id"], m["gateway"]) for m in at_sr
                if m["gateway"] != lab.site("blue1").gateway} and at_sr
    at_sr = wait_for(settled, "blue1 to know what the GCKS knows")
    shown = lab.registered("blue")
    assert {m["identity"] for m in at_sr} == {
        s.identity for s in lab.network.members("blue")}
    for member in at_sr:
        name = member["identity"].split(".")[0]
        assert member["gateway"] == lab.site(name).gateway
        assert member["member-id"] == shown[name]["memberId"]
        assert member["sender-id"] == shown[name]["senderId"]
        assert member["ike-sa"] > 0
    lines = ctl(lab["sr"], "list-members").splitlines()
    assert "blue: group-ID 100, GCKS" in lines
    assert "red: group-ID 200, GCKS" in lines
    line, = (x for x in lines if "dual.example.net" in x
             and f" {shown['dual']['memberId']} " in x[:9])
    assert lab.site("dual").gateway in line and "registered" in line


def test_sas_without_secrets(lab):
    def settled():
        """There may be new keys since somebody has left."""
        sa = ctl_json(lab["sr"], "list-sas", "blue")[-1]
        own = ctl_json(lab["blue1"], "list-sas", "blue")[-1]
        return sa["epoch"] == own["epoch"] and own["state"] == "sending" \
            and (sa, own)
    sa, own = wait_for(settled, "the newest epoch to be in use")
    assert sa["tag"] == own["tag"] and sa["state"] == "given"
    assert own["expires"] <= 3600
    tags = {s["spi"] >> 24 for s in lab["blue1"].states()}
    assert int(own["tag"], 16) in tags
    assert set(own) == {"group", "group-id", "role", "epoch", "tag", "cipher",
                        "age", "expires", "sender-id", "state"}
    assert "sending   AES_GCM_16-256" in ctl(lab["blue1"], "list-sas")


def test_counters(lab):
    answer = ctl_json(lab["sr"], "counters")
    assert set(answer["counters"]) == set(lab.network.groups) | {"-"}
    had = counters(lab["blue1"], "blue")
    assert answer["counters"]["blue"]["registrations"] >= 3
    before = answer["counters"]["blue"]["refused-not-authorized"]
    wait_for(lambda: counters(lab["sr"], "blue")["refused-not-authorized"]
             > before, "the outsider to be refused once more")
    own = counters(lab["blue1"], "blue")
    assert own["registrations"] >= 1
    # It is another one that is refused.
    assert own["registrations-refused"] == had["registrations-refused"]
    assert counters(lab["outsider"], "blue")["registrations-refused"] > 0
    text = ctl(lab["sr"], "counters")
    assert "of no group:" in text and "  registrations          : " in text


# Errors ----------------------------------------------------------------------

@pytest.mark.parametrize("arguments, status, message", (
    ((), USAGE, "usage: groupvpnctl"),
    (("--frobnicate",), USAGE, "frobnicate"),
    (("frobnicate",), USAGE, "there is no command 'frobnicate'"),
    (("rekey",), USAGE, "'rekey' takes the arguments GROUP"),
    (("reload", "blue"), USAGE, "'reload' takes no arguments"),
    (("list-groups", "a", "b"), USAGE, "'list-groups' takes"),
    (("--socket", "/run/nothing", "version"), UNREACHABLE,
     "connecting to /run/nothing: No such file"),
    (("--socket", "/" + 120 * "x", "version"), UNREACHABLE,
     "must be shorter than 108 characters"),
    (("list-groups", "green"), FAILED, "there is no group 'green' here"),
    (("list-members", "green"), FAILED, "there is no group 'green' here"),
    (("list-sas", "green"), FAILED, "there is no group 'green' here"),
    (("counters", "green"), FAILED, "there is no group 'green' here"),
    (("rekey", "green"), FAILED, "not the GCKS of a group 'green'"),
    (("evict", "green", "1"), FAILED, "not the GCKS of a group 'green'"),
    (("readmit", "green", "1"), FAILED, "not the GCKS of a group 'green'"),
    (("evict", "blue", "999"), FAILED, "group 'blue' has no member 999"),
    (("evict", "blue", "0"), FAILED, "'member-id' must be 1 to 65535"),
    (("evict", "blue", "65536"), FAILED, "'member-id' must be 1 to 65535"),
    (("evict", "blue", "99999999999999999999"), FAILED, "must be 1 to 65535"),
    (("evict", "blue", "blu1.example.net"), FAILED,
     "'blu1.example.net' could not become a member"),
    (("evict", "blue", "*.example.net"), FAILED,
     "'*.example.net' is a pattern: must be the identity of one member"),
    (("evict", "blue", "C=CH, CN=*"), FAILED, "'C=CH, CN=*' is a pattern"),
    (("evict", "blue", "203.0.113.0/24"), FAILED,
     "'203.0.113.0/24' is a pattern"),
    (("readmit", "blue", "blue1.example.net"), FAILED,
     "'blue1.example.net' is not evicted"),
))
def test_errors(lab, arguments, status, message):
    got, out, err = attempt(lab["sr"], *arguments)
    assert (got, out) == (status, "")
    assert message in err
    assert err.startswith("usage") or len(err.splitlines()) == 1


def test_a_member_is_no_gcks(lab):
    before = epoch(lab["blue1"], "blue")
    for arguments in (("rekey", "blue"), ("evict", "blue", "1")):
        status, _, err = attempt(lab["blue1"], *arguments)
        assert status == FAILED and "not the GCKS of a group 'blue'" in err
    assert epoch(lab["blue1"], "blue") == before


def test_only_root_may(lab):
    host = lab["sr"]
    mode = host.outside(SOCKET).stat()
    assert stat.S_IMODE(mode.st_mode) == 0o600 and mode.st_uid == 0
    for user in ("nobody", "frr"):
        status, out, err = attempt(
            host, "list-groups", by=("setpriv", f"--reuid={user}",
                                     "--regid=root", "--clear-groups"))
        assert (status, out) == (UNREACHABLE, "")
        assert err == (f"groupvpnctl: connecting to {SOCKET}: "
                       "Permission denied, only root may\n")


def test_without_vici_groups_work(own_lab):
    lab = own_lab(Network(groups={"blue": 100},
                          sites=[Site("blue1", {"blue": "10.1.0"})]))
    sr = lab["sr"]
    sr.write("/etc/strongswan.d/charon/vici.conf", "vici {\n    load = no\n}\n")
    sr.charon.ready = ["/run/charon.groupvpn.ctl"]
    sr.zebra.start()
    sr.bgpd.start()
    sr.load_frr()
    sr.charon.start()
    line = sr.wait_for_log("charon", "no management on")
    assert f"{SOCKET}: the vici plugin is not loaded" in line
    wait_for(lambda: "blue" in
             sr.bgp_json("show bgp group-vpn").get("groups", {}),
             "bgpd to hear of the group")
    assert attempt(sr, "version")[0] == UNREACHABLE
    assert sr.charon.stop() == 0


# Events, and what changes something ------------------------------------------

def test_rekey_loses_nothing(lab, monitor):
    sr, site = lab["sr"], lab["blue1"]
    at_sr, at_site = monitor(sr), monitor(site)
    wait_for(lambda: all(g["rekey-heard"] and "rekey-spi" in g for g in (
        ctl_json(lab[name], "list-groups", "blue")[0]
        for name in ("blue1", "blue2", "dual"))), "all to take keys by BGP")
    wait_for(lambda: [sa["state"] for sa in ctl_json(site, "list-sas", "blue")]
             == ["sending"] and next_epoch(sr, "blue") > 300,
             "older epochs to go, and none to come", 180)
    old, before = epoch(sr, "blue"), counters(sr, "blue")
    received = counters(site, "blue")["rekeys-by-bgp"]
    red = epoch(sr, "red")
    ping = Ping(lab.far(lab.site("blue1"), "blue"), "10.2.0.10")
    assert "given to 3 members" in ctl(sr, "rekey", "blue")
    new = epoch(sr, "blue")
    assert new > old and epoch(sr, "red") == red
    event = at_sr.wait("rekey", group="blue", role="gcks", epoch=new)
    assert event["members"] == 3 and event["reason"] == "command"
    at_site.wait("rekey", group="blue", role="member", epoch=new, atd=10)

    def states():
        return [sa["state"] for sa in ctl_json(site, "list-sas", "blue")]
    # First of all: it is over after ATD.
    wait_for(lambda: states() == ["retiring", "receiving"], "both epochs", 10)
    for name in ("blue1", "blue2", "dual"):
        wait_for(lambda n=name: epoch(lab[n], "blue") == new,
                 f"{name} to have the epoch")
    wait_for(lambda: states() == ["sending"], "the old epoch to go")
    wait_for(lambda: len(ctl_json(sr, "list-sas", "blue")) == 1,
             "the old epoch to go at the GCKS")
    assert ping.missing() == 0
    after = counters(sr, "blue")
    assert after["epochs"] == before["epochs"] + 1
    assert after["rekeys-by-bgp"] == before["rekeys-by-bgp"] + 1
    for key in ("rekeys-pushed", "rekeys-refused"):
        assert after[key] == before[key]
    assert counters(site, "blue")["rekeys-by-bgp"] == received + 1
    assert at_sr.stop() == (OK, "")


def test_events_of_a_member_that_comes_and_goes(lab, monitor):
    sr, site = lab["sr"], lab["blue2"]
    at_sr, at_peer, at_site = monitor(sr), monitor(lab["blue1"]), monitor(site)
    member = lab.registered("blue")["blue2"]["memberId"]
    assert site.charon.stop() == 0
    down = at_site.wait("group-down", group="blue", role="member")
    assert down["reason"] == "charon stops" and down["device"] == "gv-blue"
    status, last = at_site.end()
    assert status == UNREACHABLE and "charon has gone away" in last
    event = at_sr.wait("member-down", group="blue",
                       identity="blue2.example.net")
    assert event["member-id"] == member and "IKE_SA" in event["reason"]
    site.charon.start()
    at_site = monitor(site)
    site.load_swanctl()
    up = at_site.wait("group-up", group="blue", role="member")
    assert up["gateway"] == lab.site("blue2").gateway
    at_site.wait("member-up", group="blue", role="member")
    at_sr.wait("member-up", group="blue", identity="blue2.example.net",
               **{"sender-id": up["sender-id"]})
    at_peer.wait("member-up", group="blue", role="member",
                 **{"member-id": member, "sender-id": up["sender-id"]})


def test_refusals_are_told(lab, monitor):
    at_sr, at_site = monitor(lab["sr"]), monitor(lab["outsider"])
    event = at_sr.wait("refused", group="blue", role="gcks",
                       identity="outsider.example.net",
                       notify="AUTHORIZATION_FAILED")
    assert "matches none of" in event["reason"]
    at_site.wait("refused", group="blue", role="member", gcks="sr",
                 notify="AUTHORIZATION_FAILED")


def test_monitor_as_text(lab):
    host = lab["sr"]
    process = follow(host)
    try:
        ctl(host, "rekey", "red")
        line = next(x for x in process.stdout if " rekey " in x and
                    " group=red " in x)
        assert " group=red group-id=200 role=gcks epoch=" in line
    finally:
        process.kill()
        process.communicate()


def test_reload(lab):
    host = lab["sr"]
    text = sr_swanctl(lab.network).rstrip().removesuffix("}")
    file = "/etc/swanctl/swanctl.conf"
    try:
        host.write(file, text + section("green", "id = 300", "role = gcks",
                                        "members = *.example.net") + "}\n")
        ctl(host, "reload")
        group, = ctl_json(host, "list-groups", "green")
        assert group["group-id"] == 300 and group["members"] == 0
        host.write(file, "groups { {")
        status, _, err = attempt(host, "reload")
        assert status == FAILED and "can not be read" in err
        assert ctl_json(host, "list-groups", "green")
    finally:
        host.write(file, sr_swanctl(lab.network))
        ctl(host, "reload")
    assert attempt(host, "list-groups", "green")[0] == FAILED


# Eviction --------------------------------------------------------------------

ATD, DTD = 2, 7


def evicting_network():
    return Network(
        groups={"blue": 100, "red": 200},
        policy={"blue": (f"atd = {ATD}s", f"dtd = {DTD}s")},
        sites=[Site("one", {"blue": "10.1.0"}),
               Site("two", {"blue": "10.2.0"}),
               Site("both", {"blue": "10.3.0", "red": "10.3.0"}),
               Site("redder", {"red": "10.4.0"}),
               Site("bad", {"blue": "10.5.0"})])


EVICTING = Kept(evicting_network, "test_management.py")


@pytest.fixture
def evicting_lab(request):
    yield from EVICTING.lend(request)


def loses_route(lab, names, prefix, group="blue"):
    for name in names:
        wait_for(lambda n=name: prefix not in lab.routes(lab.site(n), group),
                 f"{name} to lose the route {prefix}")


def test_evict_and_readmit(evicting_lab, monitor):
    lab = evicting_lab
    sr, bad, site = lab["sr"], lab["bad"], lab.site("bad")
    at_sr, at_bad = monitor(sr), monitor(bad)
    ping = Ping(lab.far(lab.site("one"), "blue"), "10.2.0.10")
    old, old_tag = epoch(sr, "blue"), newest_tag(sr, "blue")
    since = sr.log_size("charon"), bad.log_size("charon")

    out = ctl(sr, "evict", "blue", site.identity, "gateway was stolen")
    assert f"'{site.identity}' is evicted" in out
    assert "given to 3 members" in out
    event = at_sr.wait("member-down", group="blue", identity=site.identity)
    assert event["reason"] == "evicted: gateway was stolen"
    at_sr.wait("rekey", group="blue", reason="member evicted", members=3)
    at_bad.wait("refused", group="blue", notify="AUTHORIZATION_FAILED")
    at_bad.wait("group-down", group="blue")
    sr.wait_for_log("charon", "deleting IKE_SA", since[0])

    # It has nothing left, and the others have nothing of it.
    wait_for(lambda: not devices(bad) and not bad.states(),
             "the evicted site to have nothing left in the kernel")
    assert not lab.routes(site, "blue")
    loses_route(lab, ("one", "two", "both"), site.lan_prefix("blue"))
    assert lab.asked(site, "blue", "10.1.0.10") is None
    assert lab.asked(lab.site("one"), "blue", "10.5.0.10") is None
    new = epoch(sr, "blue")
    assert new > old
    for name in ("one", "two", "both"):
        wait_for(lambda n=name: epoch(lab[n], "blue") == new,
                 f"{name} to have the epoch")
        # There may be others with it, of the new epoch, whose keys it has not.
        wait_for(lambda n=name: old_tag not in
                 {s["spi"] >> 24 for s in lab[n].states()},
                 f"{name} to have no states of the old epoch")

    # It comes back and is refused with the reason.
    event = at_sr.wait("refused", group="blue", identity=site.identity)
    assert "gateway was stolen" in event["reason"]
    line = sr.wait_for_log("charon", "refused with AUTHORIZATION_FAILED",
                           since[0])
    assert site.identity in line and "evicted" in line
    bad.wait_for_log("charon", "whether we were evicted", since[1])
    member, = (m for m in ctl_json(sr, "list-members", "blue")
               if m["state"] == "evicted")
    assert member["identity"] == site.identity
    assert member["reason"] == "gateway was stolen"
    assert "(gateway was stolen)" in ctl(sr, "list-members", "blue")
    assert "3 registered, 1 evicted" in ctl(sr, "list-groups", "blue")
    assert counters(sr, "blue")["refused-evicted"] >= 1
    assert counters(bad, "blue")["registrations-refused"] >= 1
    status, _, err = attempt(sr, "evict", "blue", site.identity)
    assert status == FAILED and "is evicted from group 'blue' already" in err

    # A reload does not change that; the command does.
    ctl(sr, "reload")
    refused = counters(sr, "blue")["refused-evicted"]
    wait_for(lambda: counters(sr, "blue")["refused-evicted"] > refused,
             "it to be refused after the reload")
    assert ping.missing() == 0, "the others lost packets"
    assert "may register again" in ctl(sr, "readmit", "blue", site.identity)
    at_sr.wait("member-up", group="blue", identity=site.identity)
    lab.wait_until_up()
    assert lab.answer(site, "blue", "10.1.0.10") == "one.blue"


def test_evicted_from_one_group_stays_in_the_other(evicting_lab):
    lab = evicting_lab
    sr, site = lab["sr"], lab.site("both")
    before, = (m for m in ctl_json(sr, "list-members", "red")
               if m["identity"] == site.identity)
    member, = (m for m in ctl_json(sr, "list-members", "blue")
               if m["identity"] == site.identity)
    assert member["ike-sa"] == before["ike-sa"]
    ping = Ping(lab.far(site, "red"), "10.4.0.10")
    refused = counters(sr, "blue")["refused-evicted"]
    answer = ctl_json(sr, "evict", "blue", str(member["member-id"]))
    assert answer["identity"] == site.identity
    assert answer["registered"] is True and answer["members"] == 3
    loses_route(lab, ("one", "two", "bad"), site.lan_prefix("blue"))
    wait_for(lambda: devices(lab["both"]) == {"gv-red"}, "blue's device to go")
    wait_for(lambda: counters(sr, "blue")["refused-evicted"] > refused,
             "it to be refused when it comes back")
    after, = (m for m in ctl_json(sr, "list-members", "red")
              if m["identity"] == site.identity)
    assert after["ike-sa"] == before["ike-sa"], "its IKE_SA was closed"
    assert ping.missing() == 0
    ctl(sr, "readmit", "blue", str(member["member-id"]))
    lab.wait_until_up()


def test_evict_before_it_comes(evicting_lab):
    """Who is authorised but not there can be evicted, too."""
    lab = evicting_lab
    sr, site = lab["sr"], lab.site("bad")
    lab["bad"].charon.stop()
    wait_for(lambda: "bad" not in lab.registered("blue"), "it to have left")
    out = ctl(sr, "evict", "blue", site.identity)
    assert "it was not registered" in out
    refused = counters(sr, "blue")["refused-evicted"]
    lab["bad"].charon.start()
    lab["bad"].load_swanctl()
    wait_for(lambda: counters(sr, "blue")["refused-evicted"] > refused,
             "it to be refused")
    ctl(sr, "readmit", "blue", site.identity)


def freeze(host, number):
    for daemon in host.daemons.values():
        daemon.process.send_signal(number)


def times(capture, expression):
    """When the packets that match were seen."""
    return [float(line.split()[0]) for line in capture.lines(expression, "-tt")]


def measure(lab, name, others, atd, dtd):
    """Evicts a site that does not obey: its daemons stand still, its kernel
    goes on with what it has. Until when, in seconds after the command, others
    took what it sent, sent to it, and used keys that it has."""
    sr, site, target = lab["sr"], lab.site(name), lab.site(others[0])
    tag = newest_tag(sr, "blue")
    at_target = lab.capture(lab.far(target, "blue"), "eth0", "icmp")
    at_backbone = lab.capture(lab["b1"], "any", "esp")
    into = Ping(lab.far(site, "blue"), target.end_host_address("blue"))
    out_of = Ping(lab.far(target, "blue"), site.end_host_address("blue"))
    among = Ping(lab.far(target, "blue"),
                 lab.site(others[1]).end_host_address("blue"))
    heard = f"icmp[icmptype] == icmp-echo and src " \
            f"{site.end_host_address('blue')}"
    wait_for(lambda: at_target.count(heard), "its pings to arrive")
    freeze(lab[name], signal.SIGSTOP)
    try:
        began = time.time()
        ctl(sr, "evict", "blue", site.identity)
        for other in others:
            wait_for(lambda o=other: len(ctl_json(lab[o], "list-sas", "blue"))
                     == 1, f"{other} to have the new epoch only", dtd + 60)
        wait_for(lambda: time.time() - max(times(at_target, heard)) > 1,
                 "its pings not to arrive anymore", dtd + 60)
        lost = among.missing()
        into.missing()
        out_of.missing()
    finally:
        freeze(lab[name], signal.SIGCONT)

    def last(seen):
        return round(max([began, *seen]) - began, 2)
    gateway = target.gateway
    other = lab.site(others[1]).gateway
    return {
        "heard": last(times(at_target, heard)),
        "sent to": last(times(at_backbone,
                              f"esp and src {gateway} and dst {site.gateway}")),
        "old keys": last(times(
            at_backbone, f"esp and ip[20] == {tag} and "
            f"((src {gateway} and dst {other}) or "
            f"(src {other} and dst {gateway}))")),
        "lost": lost}


def test_evicted_site_that_does_not_obey(evicting_lab):
    lab = evicting_lab
    result = measure(lab, "bad", ("one", "two", "both"), ATD, DTD)
    assert result["lost"] == 0, result
    # A slow machine needs time to tell everybody. But before its BGP session and
    # its IKE_SA are given up, before DTD, and ever.
    assert result["sent to"] < 5, f"others sent to it for too long: {result}"
    assert result["old keys"] < ATD + 4, f"others used its keys: {result}"
    assert result["heard"] < DTD + 6, f"others took what it sent: {result}"
    assert lab.asked(lab.site("bad"), "blue", "10.1.0.10") is None
    ctl(lab["sr"], "readmit", "blue", lab.site("bad").identity)
