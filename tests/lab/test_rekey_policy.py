# SPDX-License-Identifier: GPL-2.0-or-later
"""When a group gets new keys: by time, and when members come and leave."""

import contextlib
import re
import signal
import threading

import pytest

from lab import wait_for
from sites import STRONGSWAN_TIMING, member_swanctl, sr_swanctl
from test_management import counters, ctl, ctl_json, monitor  # noqa: F401

TIMING = "/etc/strongswan.d/timing.conf"


def rekeys(events):
    return [(e["group"], e["reason"]) for e in events.events
            if e["event"] == "rekey"]


def members(lab, group):
    return {m["identity"].split(".")[0]
            for m in ctl_json(lab["sr"], "list-members", group)
            if m["state"] == "registered"}


def leave(lab, *names):
    """Sites leave all their groups at once: what is a second and more apart
    may be two changes."""
    threads = [threading.Thread(target=lab.reconfigure, args=(
        name, member_swanctl(lab.site(name), lab.network, [])))
        for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in names:
        wait_for(lambda: not any(name in members(lab, group)
                                 for group in lab.network.groups),
                 f"{name} to have left")


def test_next_epoch_is_up_to_a_tenth_early(lab):
    """lifetime = 3600s: after 80 % of it, less up to a tenth of that."""
    left = []
    lab.wait_until_no_epoch_is_due("red")
    for _ in range(6):
        ctl(lab["sr"], "rekey", "red")
        left.append(ctl_json(lab["sr"], "list-groups", "red")[0]["next-epoch"])
    assert all(2585 <= seconds <= 2880 for seconds in left), left
    assert min(left) < 2870 and len(set(left)) > 1, left


def test_who_comes_and_who_leaves(lab, monitor):  # noqa: F811
    """blue has the defaults, red is the other way round."""
    lab.wait_until_no_epoch_is_due("blue", "red")
    lab.reconfigure("sr", sr_swanctl(lab.network).replace(
        "id = 200", "id = 200\n    rekey_on_add = yes\n"
        "    rekey_on_remove = no"))
    events = monitor(lab["sr"])
    try:
        leave(lab, "dual", "blue1")
        wait_for(lambda: rekeys(events) == [("blue", "member left")],
                 "an epoch of blue", 90)
        # Back in the epoch that it left: red's keys are not new to it.
        lab.restore("dual")
        events.wait("member-up", group="red", identity="dual.example.net")
        events.wait("member-up", group="blue", identity="dual.example.net")

        leave(lab, "dual")
        wait_for(lambda: rekeys(events).count(("blue", "member left")) == 2,
                 "another epoch of blue", 90)
        ctl(lab["sr"], "rekey", "red")
        lab.restore("dual")
        lab.restore("blue1")
        wait_for(lambda: ("red", "member added") in rekeys(events),
                 "an epoch of red", 90)
        rekey = events.wait("rekey", group="red", reason="member added")
        assert rekey["members"] == 2
        lab.wait_until_up()
        assert rekeys(events) == [("blue", "member left"),
                                  ("blue", "member left"),
                                  ("red", "command"),
                                  ("red", "member added")]
    finally:
        lab.restore("dual")
        lab.restore("blue1")
        lab.restore("sr")


@pytest.mark.long
def test_who_comes_and_leaves_all_the_time(lab, monitor):  # noqa: F811
    """Its epochs are used up; those of others are not."""
    sr, text = lab["sr"], member_swanctl(lab.site("dual"), lab.network)
    events = monitor(sr)
    since = sr.log_size("charon")
    too_often = "'dual.example.net' comes and leaves too often"
    lab.wait_until_no_epoch_is_due("blue", "red")
    try:
        for _ in range(8):
            leave(lab, "dual")
            if too_often in sr.log("charon", since):
                break
            lab.reconfigure("dual", text)
            wait_for(lambda: {"dual"} <= members(lab, "blue"), "dual to be back")
        assert sr.log("charon", since).count(too_often) >= 1
        # those that began to wait before that
        wait_for(lambda: ctl_json(sr, "list-sas", "blue")[-1]["age"] >= 3,
                 "no epoch to begin because of dual")
        # Where it has to wait, that is told as the next epoch.
        late = re.search(rf"group '(\w+)': member \d+ {too_often}",
                         sr.log("charon", since))[1]
        wait_for(lambda: ctl_json(sr, "list-sas", late)[-1]["age"] >= 3,
                 "no epoch to begin because of dual")
        lab.reconfigure("dual", text)
        wait_for(lambda: "dual" in members(lab, late), "dual to be back")
        leave(lab, "dual")
        assert 2 < ctl_json(sr, "list-groups", late)[0]["next-epoch"] < 2585
        number = len(rekeys(events))
        leave(lab, "blue1")
        wait_for(lambda: ("blue", "member left") in rekeys(events)[number:],
                 "an epoch because of blue1", 10)
        # one line for each group
        assert sr.log("charon", since).count(too_often) <= 2
    finally:
        lab.restore("dual")
        lab.restore("blue1")


@contextlib.contextmanager
def silent(lab, events, name, timing=STRONGSWAN_TIMING):
    """A member that does not answer, and how long the S/R repeats requests."""
    sr, host = lab["sr"], lab[name]
    sr.write(TIMING, timing)
    lab.reconfigure("sr", sr_swanctl(lab.network).replace(
        "id = 200", "id = 200\n    rekey = inband"))
    lab.register_again(name)
    identity = lab.site(name).identity
    events.wait("member-up", identity=identity)
    wait_for(lambda: name in members(lab, "red"), f"{name} to be back")
    wait_for(lambda: host.swanctl("--list-sas").count("ESTABLISHED") == 1,
             f"{name} to have one IKE_SA")
    host.charon.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        host.charon.process.send_signal(signal.SIGCONT)
        sr.write(TIMING, STRONGSWAN_TIMING)
        lab.restore("sr")
        # Its IKE_SA is none anymore, which it would find out by itself.
        host.swanctl("--terminate", "--ike", "sr", "--force", check=False)


@pytest.mark.long
def test_who_does_not_answer_loses_its_ike_sa(lab, monitor):  # noqa: F811
    """charon has repeated the rekey in vain, and closes the IKE_SA."""
    events = monitor(lab["sr"])
    before = counters(lab["sr"], "red")["members-ejected"]
    with silent(lab, events, "red1"):
        ctl(lab["sr"], "rekey", "red")
        events.wait("member-down", group="red",
                    identity="red1.example.net",
                    reason="1 rekey not acknowledged")
    assert counters(lab["sr"], "red")["members-ejected"] == before + 1


@pytest.mark.long
def test_who_owes_three_answers_is_removed(lab, monitor):  # noqa: F811
    """charon would repeat for longer than that."""
    events = monitor(lab["sr"])
    timing = STRONGSWAN_TIMING.replace("retransmit_tries = 3",
                                       "retransmit_tries = 30")
    with silent(lab, events, "red1", timing):
        before = counters(lab["sr"], "red")
        for owed in (1, 2, 3):
            ctl(lab["sr"], "rekey", "red")
            # Not before it has had time to answer.
            ctl(lab["sr"], "rekey", "red")
            wait_for(lambda o=owed: ctl_json(lab["sr"], "list-sas", "red")[-1]
                     ["age"] >= 6, "the member's time to answer to be over")
            assert "red1" in members(lab, "red")
        ctl(lab["sr"], "rekey", "red")
        events.wait("member-down", group="red", identity="red1.example.net",
                    reason="3 rekeys not acknowledged")
        wait_for(lambda: "red1.example.net" not in
                 lab["sr"].swanctl("--list-sas"), "its IKE_SA to be closed")
        after = counters(lab["sr"], "red")
    assert after["members-ejected"] == before["members-ejected"] + 1
    # What came while the first one was open would have been sent after it.
    pushed = {n: after[n] - before[n] for n in after}
    assert pushed["epochs"] == 7
    assert pushed["rekeys-pushed"] <= 9
