# SPDX-License-Identifier: GPL-2.0-or-later
"""Members that name the members they want to know."""

from lab import wait_for
from sites import member_swanctl
from test_route_epoch import RouteMonitor


def naming(lab, name, peers):
    text = member_swanctl(lab.site(name), lab.network)
    blue, rest = text.split("    blue {\n", 1)
    return f"{blue}    blue {{\n        peers = {peers}\n{rest}"


def knows(lab, name, *others):
    """Waits until a site has the blue routes of these others and no more."""
    wanted = {lab.site(o).lan_prefix("blue") for o in others}
    wait_for(lambda: lab.routes(lab.site(name), "blue") == wanted,
             f"{name} to know {others or 'nobody'}, and no others", 30)


def test_members_that_name_each_other(lab):
    blue1, sr = lab["blue1"], lab["sr"]
    before = lab.registered("blue")["blue1"]
    monitor = RouteMonitor(blue1)
    lab.reconfigure("blue1", naming(lab, "blue1", "BLUE2.example.net"))
    knows(lab, "blue1", "blue2")
    knows(lab, "blue2", "blue1", "dual")
    knows(lab, "dual", "blue2")
    # Exactly the difference: what stays was not touched.
    assert not monitor.lines("10.2.0.0/24")
    after = lab.registered("blue")["blue1"]
    assert after["senderId"] == before["senderId"]
    assert lab.asked(lab.site("blue1"), "blue", "10.2.0.10") == "blue2.blue"
    # It is bgpd that does not pass the routes on, also to a new session.
    sr.vtysh(f"clear bgp {lab.site('dual').gateway}")
    knows(lab, "dual", "blue2")

    # Whom the other does not name it gets nothing of.
    lab.reconfigure("dual", naming(lab, "dual", "blue1.example.net"))
    knows(lab, "dual")
    knows(lab, "blue2", "blue1")
    knows(lab, "blue1", "blue2")
    # Both name each other, one by its gateway's address.
    lab.reconfigure("blue1", naming(
        lab, "blue1", f"blue2.example.net, {lab.site('dual').gateway}"))
    knows(lab, "blue1", "blue2", "dual")
    knows(lab, "dual", "blue1")
    knows(lab, "blue2", "blue1")
    # Somebody leaves the group of those that know it, and comes back.
    lab["dual"].charon.stop()
    knows(lab, "blue1", "blue2")
    lab["dual"].charon.start()
    lab["dual"].load_swanctl()
    knows(lab, "blue1", "blue2", "dual")

    since = blue1.log_size("charon")
    lab.reconfigure("blue1", naming(lab, "blue1", '","'))
    blue1.wait_for_log("charon", "must be identities or gateway addresses of "
                       "members, separated by commas, at most 1000", since)
    knows(lab, "blue1", "blue2", "dual")
    for name in ("blue1", "dual"):
        lab.restore(name)
    lab.wait_until_up()
