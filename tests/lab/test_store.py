# SPDX-License-Identifier: GPL-2.0-or-later
"""The GCKS's store: what it remembers, and when it refuses to guess."""

import collections
import contextlib
import hashlib
import random
import re
import shutil
import sqlite3
import threading

import pytest

from lab import Ping, wait_for
from sites import member_swanctl, sr_swanctl
from test_management import ctl_json
from test_restart import everybody_reaches, spis, start_charon

STORE = "/var/lib/groupvpn"
REGISTERED = re.compile(
    r"group '(\w+)': '([^']+)' at \S+ registered as member (\d+) with "
    r"Sender-ID (\d+), epoch (\d+)")
REFUSED = "is not used and left as it is"


def registrations(sr, since=0):
    """(group, identity, member-ID, Sender-ID, epoch) as the GCKS gave them."""
    return REGISTERED.findall(sr.log("charon", since))


# Asked of charon: bgpd has what was before, until it is connected again.

def identifiers(lab, group="blue"):
    return {member["identity"].split(".")[0]:
            (member["member-id"], member["sender-id"])
            for member in ctl_json(lab["sr"], "list-members", group)
            if member["state"] == "registered"}


def epoch(lab, group="blue"):
    return ctl_json(lab["sr"], "list-groups", group)[0]["epoch"]


def members_returned(lab, since, group="blue"):
    """Waits until all members have registered after what the log had."""
    expected = {s.identity for s in lab.network.members(group)}
    wait_for(lambda: {r[1] for r in registrations(lab["sr"], since)
                      if r[0] == group} >= expected,
             f"the members of {group} to register again", 120)


def check_never_twice(lab):
    """No identifier was ever given to two, in all of the GCKS's log."""
    senders = collections.defaultdict(set)
    members = collections.defaultdict(set)
    for group, identity, member, sender, number in registrations(lab["sr"]):
        senders[group, number, sender].add(identity)
        members[group, member].add(identity)
    assert senders
    for given in (senders, members):
        doubled = {k: v for k, v in given.items() if len(v) > 1}
        assert not doubled, f"given to two: {doubled}"


def tags(host):
    """Of the epochs whose keys a member has."""
    return {state["spi"] >> 24 for state in host.states()}


def content(host):
    """Digests of the store's files, SQLite's index of its log excepted."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in host.outside(STORE).iterdir()
            if not path.name.endswith("-shm")}


def rejoin(lab, name):
    """The member's groups are removed and come back, as if it was new."""
    site = lab.site(name)
    lab.reconfigure(name, member_swanctl(site, lab.network, groups=[]))
    lab.restore(name)


def test_members_do_not_notice_that_the_gcks_was_killed(lab):
    sr = lab["sr"]
    names = ("blue1", "blue2", "dual")
    lab.wait_until_settled("blue")
    before = {n: (spis(lab[n]), lab[n].key_digests()) for n in names}
    given, number = identifiers(lab), epoch(lab)
    ever = {int(r[3]) for r in registrations(sr) if r[0] == "blue"}
    ping = Ping(lab.far(lab.site("blue1"), "blue"), "10.2.0.10")
    since = sr.log_size("charon")
    sr.charon.kill()
    start_charon(sr)
    members_returned(lab, since)
    assert ping.missing() == 0
    assert epoch(lab) == number
    assert identifiers(lab) == given
    for name in names:
        assert (spis(lab[name]), lab[name].key_digests()) == before[name]

    # One who joins now gets what nobody ever had.
    lab["dual"].charon.kill()
    start_charon(lab["dual"])
    wait_for(lambda: identifiers(lab)["dual"] != given["dual"],
             "dual to get another Sender-ID", 60)
    member, sender = identifiers(lab)["dual"]
    assert member == given["dual"][0]
    assert sender not in ever
    assert epoch(lab) == number
    lab.wait_until_up()
    everybody_reaches(lab, "dual", "blue")


def test_killed_at_any_moment_nothing_is_given_twice(lab):
    sr = lab["sr"]
    names = ["blue1", "blue2", "dual"]
    had = collections.defaultdict(set)
    moment = random.Random(9838)
    for _ in range(6):
        for name, (_, sender) in identifiers(lab).items():
            had[name].add(sender)
        since = sr.log_size("charon")
        threads = [threading.Thread(target=rejoin, args=(lab, n))
                   for n in names]
        for thread in threads:
            thread.start()
        # One of them may be under way while we pull the plug.
        count = moment.randint(0, len(names) - 1)
        wait_for(lambda s=since, c=count: len(registrations(sr, s)) >= c,
                 f"registration {count}", 90, interval=0.01)
        sr.charon.kill()
        for thread in threads:
            thread.join()
        start_charon(sr)
        wait_for(lambda: all(sender not in had[name] for name, (_, sender)
                             in identifiers(lab).items()),
                 "everybody to have a Sender-ID that was never its own", 120)
        check_never_twice(lab)
    lab.wait_until_up()
    everybody_reaches(lab, "blue1", "blue")


def test_a_store_that_is_not_right_is_refused(lab):
    """And not touched; what is there goes on, and all is well once it is
    repaired."""
    sr = lab["sr"]
    directory = sr.outside(STORE)
    store, key = directory / "gcks.db", directory / "gcks.key"
    spare = lab.directory / "spare"

    def sql(file, text):
        with contextlib.closing(sqlite3.connect(file)) as database:
            database.executescript(text)

    def damage():
        with store.open("r+b") as file:
            file.seek(4096)
            file.write(bytes(range(256)) * 48)

    def foreign():
        store.unlink()
        sql(store, "CREATE TABLE members (name)")
        store.chmod(0o600)

    def remount(mode):
        sr.run("mount", "-o", f"remount,bind,{mode}", STORE)

    cases = {
        "it is damaged": damage,
        "it is not a database": lambda: store.write_bytes(b"hello\n" * 100),
        "it is not a database of": foreign,
        "is damaged; move it": lambda: store.write_bytes(b""),
        "it is of version 5, and this plugin knows versions up to 4":
            lambda: sql(store, "PRAGMA user_version = 5"),
        "is the key of another store": lambda: key.write_bytes(b"k" * 32),
        "it has not 32 octets": lambda: key.write_bytes(b"k" * 31),
        "is missing; bring it back": key.unlink,
        "gcks.db' has mode 0640": lambda: store.chmod(0o640),
        "gcks.key' has mode 0604": lambda: key.chmod(0o604),
        "gcks.key' belongs to user 1": lambda: shutil.chown(key, 1),
        "groupvpn' has mode 0770": lambda: directory.chmod(0o770),
        "its log": lambda: store.rename(directory / "gcks.db-wal"),
        "read-only": lambda: remount("ro"),
    }
    lab.wait_until_settled("blue")
    wait_for(lambda: len(tags(lab["blue1"])) == 1, "older epochs to go", 60)
    given, number = identifiers(lab), epoch(lab)
    before = spis(lab["blue1"])
    ping = Ping(lab.far(lab.site("blue1"), "blue"), "10.2.0.10")
    sr.charon.stop()
    sr.run("mount", "--bind", STORE, STORE)
    shutil.copytree(directory, spare)
    assert set(content(sr)) == {"gcks.db", "gcks.key"}
    since = sr.log_size("charon")
    try:
        for problem, make in cases.items():
            make()
            wrong = content(sr)
            last = sr.log_size("charon")
            if sr.charon.running:
                sr.reload_swanctl()
            else:
                start_charon(sr)
            line = sr.wait_for_log("charon", REFUSED, last)
            assert problem in line
            sr.wait_for_log("charon", "group 'blue' not started", last)
            assert content(sr) == wrong, f"{problem}: touched"
            remount("rw")
            for path in directory.iterdir():
                path.unlink()
            shutil.copytree(spare, directory, dirs_exist_ok=True)
            shutil.chown(key, 0, 0)
        assert not registrations(sr, since)
        assert spis(lab["blue1"]) == before
        sr.reload_swanctl()
        members_returned(lab, since)
    finally:
        sr.run("umount", "-l", STORE)
    assert ping.missing() == 0
    assert epoch(lab) == number and identifiers(lab) == given
    assert spis(lab["blue1"]) == before


def test_a_full_disk_keeps_identifiers_back(lab):
    """Nobody is told what could not be stored; who has all it needs goes on."""
    sr = lab["sr"]
    directory = sr.outside(STORE)
    sr.charon.stop()
    spare = lab.directory / "full"
    shutil.copytree(directory, spare)
    sr.run("mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "none", STORE)
    try:
        # The lab's directory is seen inside, below /mnt.
        sr.run("cp", "-p", "/mnt/full/gcks.db", "/mnt/full/gcks.key", STORE)
        since = sr.log_size("charon")
        start_charon(sr)
        members_returned(lab, since)
        given = identifiers(lab)
        sr.run("dd", "if=/dev/zero", f"of={STORE}/filler", check=False)
        since = sr.log_size("charon")
        of_dual = lab["dual"].log_size("charon")
        rejoin(lab, "dual")
        sr.wait_for_log("charon", "can not be written: database or disk is "
                        "full; until it can be, nobody gets new keys", since)
        lab["dual"].wait_for_log("charon", "refused with REGISTRATION_FAILED",
                                 of_dual)
        last = sr.log_size("charon")
        lab.register_again("blue1")
        wait_for(lambda: any(r[1].startswith("blue1")
                             for r in registrations(sr, last)),
                 "blue1 to register again", 60)
        assert identifiers(lab)["blue1"] == given["blue1"]
        lab.wait_until_reached("blue1", "blue2", "blue")
        sr.run("rm", f"{STORE}/filler")
        sr.wait_for_log("charon", "can be written again", since)
        wait_for(lambda: identifiers(lab)["dual"][1] > max(
            sender for _, sender in given.values()), "dual to be let in", 60)
        assert sr.log("charon", since).count("can not be written") == 1
    finally:
        sr.charon.stop()
        sr.run("umount", STORE)
    start_charon(sr)
    lab.wait_until_no_epoch_is_due("blue")
    lab.wait_until_up()


def test_who_was_removed_while_the_gcks_was_down_has_no_keys(lab):
    """An epoch that a former member knows does not go on."""
    sr = lab["sr"]
    number = epoch(lab)
    sr.charon.kill()
    sr.write("/etc/swanctl/swanctl.conf",
             sr_swanctl(lab.network).replace(", dual.example.net", "", 1))
    since = sr.log_size("charon")
    start_charon(sr)
    try:
        sr.wait_for_log("charon", "begins (policy changed)", since)
        wait_for(lambda: {r[1].split(".")[0] for r in registrations(sr, since)
                          if r[0] == "blue"} == {"blue1", "blue2"},
                 "blue1 and blue2 to register again", 120)
        sr.wait_for_log("charon", "registration of 'dual.example.net' at "
                        "203.0.113.18 for group-ID 100 refused with "
                        "AUTHORIZATION_FAILED", since)
        assert epoch(lab) > number
        assert "group 'red': epoch" in sr.log("charon", since)
        assert "goes on" in sr.log("charon", since)
    finally:
        lab.restore("sr")
    lab.wait_until_no_epoch_is_due("blue")
    lab.wait_until_up()


@pytest.mark.parametrize("forgotten", (
    pytest.param(False, marks=pytest.mark.long), True))
def test_a_backup_is_brought_back(lab, forgotten):
    """It knows nothing of the last epoch. The operator deletes the epochs that
    it has, or the GCKS notices that he has not."""
    sr = lab["sr"]
    store = sr.outside(STORE) / "gcks.db"
    backup = lab.directory / f"backup-{forgotten}.db"
    with contextlib.closing(sqlite3.connect(store)) as source, \
            contextlib.closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    old = tags(lab["blue1"])
    lab.reconfigure("sr", sr_swanctl(lab.network).replace(
        "role = gcks", "role = gcks\n        atd = 3s", 1))
    wait_for(lambda: not any(tags(lab[n]) & old for n in ("blue1", "blue2")),
             "the new epoch alone", 90)
    lab.wait_until_no_epoch_is_due("blue")
    number = epoch(lab)
    members = {name: member for name, (member, _) in identifiers(lab).items()}
    sr.charon.kill()
    for path in store.parent.glob("gcks.db*"):
        path.unlink()
    shutil.copy(backup, store)
    store.chmod(0o600)
    if not forgotten:
        sr.run("python3", "-c", "import sqlite3; d = sqlite3.connect("
               f"'{STORE}/gcks.db'); d.execute('DELETE FROM epochs'); d.commit()")
    sr.write("/etc/swanctl/swanctl.conf", sr_swanctl(lab.network))
    since = sr.log_size("charon")
    start_charon(sr)
    sr.wait_for_log("charon", "it is not the one of the last run" if forgotten
                    else "begins (start)", since, 60)
    members_returned(lab, since)
    assert epoch(lab) > number
    wait_for(lambda: members == {
        n: m for n, (m, _) in identifiers(lab).items()},
        "all to be the members that they were", 60)
    lab.wait_until_up()
    everybody_reaches(lab, "blue1", "blue")


def test_without_a_store(lab):
    """As the operator wants it: nothing is kept, nothing is written."""
    sr = lab["sr"]
    conf = "/etc/strongswan.d/charon/groupvpn.conf"
    usual = sr.read(conf)
    number = epoch(lab)
    sr.charon.stop()
    before = content(sr)
    sr.write(conf, usual.replace("load = yes", "load = yes\n    store = none"))
    try:
        start_charon(sr)
        wait_for(lambda: epoch(lab) > number, "new keys")
        wait_for(lambda: set(identifiers(lab)) == {"blue1", "blue2", "dual"},
                 "all members", 120)
        lab.wait_until_up()
        assert content(sr) == before
    finally:
        sr.charon.stop()
        sr.write(conf, usual)
        since = sr.log_size("charon")
        start_charon(sr)
    sr.wait_for_log("charon", "it is not the one of the last run", since, 60)
    lab.wait_until_no_epoch_is_due("blue")
    lab.wait_until_up()
    everybody_reaches(lab, "blue1", "blue")
