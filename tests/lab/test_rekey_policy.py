# SPDX-License-Identifier: GPL-2.0-or-later
"""When a group gets new keys: by time, and when members come and leave."""

from lab import wait_for
from sites import member_swanctl, sr_swanctl
from test_management import ctl, ctl_json, monitor  # noqa: F401


def rekeys(events):
    return [(e["group"], e["reason"]) for e in events.events
            if e["event"] == "rekey"]


def members(lab, group):
    return {m["identity"].split(".")[0]
            for m in ctl_json(lab["sr"], "list-members", group)
            if m["state"] == "registered"}


def leave(lab, *names):
    """Sites leave all their groups, in a good deal less than two seconds."""
    for name in names:
        lab.reconfigure(name, member_swanctl(lab.site(name), lab.network, []))
    for name in names:
        wait_for(lambda: not any(name in members(lab, group)
                                 for group in lab.network.groups),
                 f"{name} to have left")


def test_next_epoch_is_up_to_a_tenth_early(lab):
    """lifetime = 3600s: after 80 % of it, less up to a tenth of that."""
    left = []
    for _ in range(6):
        ctl(lab["sr"], "rekey", "red")
        left.append(ctl_json(lab["sr"], "list-groups", "red")[0]["next-epoch"])
    assert all(2585 <= seconds <= 2880 for seconds in left), left
    assert min(left) < 2870 and len(set(left)) > 1, left


def test_who_comes_and_who_leaves(lab, monitor):  # noqa: F811
    """blue has the defaults, red is the other way round."""
    lab.reconfigure("sr", sr_swanctl(lab.network).replace(
        "id = 200", "id = 200\n    rekey_on_add = yes\n"
        "    rekey_on_remove = no"))
    events = monitor(lab["sr"])
    try:
        leave(lab, "dual", "blue1")
        events.wait("rekey", group="blue", reason="member left")
        # Back in the epoch that it left: red's keys are not new to it.
        lab.restore("dual")
        events.wait("member-up", group="red", identity="dual.example.net")
        events.wait("member-up", group="blue", identity="dual.example.net")

        leave(lab, "dual")
        wait_for(lambda: rekeys(events).count(("blue", "member left")) == 2,
                 "another epoch of blue")
        ctl(lab["sr"], "rekey", "red")
        lab.restore("dual")
        lab.restore("blue1")
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
