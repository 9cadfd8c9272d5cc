# SPDX-License-Identifier: GPL-2.0-or-later
"""What survives the restart, the crash and the loss of what."""

import pytest

from lab import Ping, wait_for
from sites import member_swanctl, sr_swanctl


def devices(host):
    return {link["ifname"] for link in host.ip_json("link show type gre")}


def neighbours(host):
    return [n for n in host.ip_json("neighbour show nud permanent")
            if n["dev"].startswith("gv-")]


def spis(host):
    return {(s["dst"], s["spi"]) for s in host.states()}


def start_charon(host):
    host.charon.start()
    host.load_swanctl()


def expected_states(lab, site):
    return 2 * sum(len(lab.network.others(site, g)) for g in site.groups)


def installed_exactly(lab, name):
    """The states, policies, devices and neighbours of a site's groups, and no
    others."""
    site, host = lab.site(name), lab[name]
    peers = sum(len(lab.network.others(site, g)) for g in site.groups)
    return (len(host.states()) == 2 * peers
            and len(host.policies()) == 2 * len(site.groups)
            and devices(host) == {f"gv-{group}" for group in site.groups}
            and len({n["dst"] for n in neighbours(host) if ":" not in n["dst"]})
            == peers)


def everybody_reaches(lab, name, group):
    site = lab.site(name)
    for other in lab.network.others(site, group):
        lab.wait_until_reached(name, other.name, group)
        lab.wait_until_reached(other.name, name, group)


def test_bgpd_of_a_member_restarts(lab):
    host = lab["blue2"]
    lab.wait_until_settled("blue")
    before = spis(host)
    host.bgpd.kill()
    assert spis(host) == before, "charon gave up states for bgpd's sake"
    host.bgpd.start()
    host.load_frr()
    lab.wait_until_up()
    everybody_reaches(lab, "blue2", "blue")


@pytest.mark.parametrize("end", ("stop", "kill"))
def test_charon_of_a_member_restarts(lab, end):
    host = lab["blue1"]
    old_keys = host.key_digests()
    old_sender = lab.registered("blue")["blue1"]["senderId"]
    getattr(host.charon, end)()
    start_charon(host)
    wait_for(lambda: lab.registered("blue")["blue1"]["senderId"] != old_sender,
             "blue1 to be registered with a new Sender-ID", 60)
    lab.wait_until_up()
    everybody_reaches(lab, "blue1", "blue")
    assert not host.key_digests() & old_keys, "a key was used again"
    wait_for(lambda: installed_exactly(lab, "blue1"),
             "nothing stale in the kernel", 60)


def test_stopped_charon_leaves_nothing_behind(lab):
    host = lab["dual"]
    try:
        assert host.charon.stop() == 0
        assert not host.states() and not host.policies()
        assert not devices(host) and not neighbours(host)
        wait_for(lambda: not lab.routes(lab.site("dual"), "blue"),
                 "the group's routes to go")
        wait_for(lambda: "10.5.0.0/24" not in
                 lab.routes(lab.site("blue1"), "blue"),
                 "the site's route to go at the others")
    finally:
        start_charon(host)
    lab.wait_until_up()
    everybody_reaches(lab, "dual", "red")


def test_zebra_of_a_member_restarts(lab):
    host = lab["blue1"]
    host.zebra.kill()
    host.zebra.start()
    lab.wait_until_up()
    everybody_reaches(lab, "blue1", "blue")
    # After that stock bgpd 8.4.4 confuses what zebra redistributes in a VRF;
    # watchfrr restarts it with zebra.
    host.bgpd.stop()
    host.bgpd.start()
    host.load_frr()


def test_bgpd_of_the_reflector_restarts(lab):
    host = lab["sr"]
    host.bgpd.kill()
    host.bgpd.start()
    host.load_frr()
    wait_for(lambda: set(lab.registered("blue")) == {"blue1", "blue2", "dual"},
             "charon to tell the new bgpd of the registrations")
    lab.wait_until_up()
    everybody_reaches(lab, "blue1", "blue")


def test_members_forward_while_the_gcks_is_away(lab):
    """The GCKS's charon dies and stays away longer than DPD needs to notice."""
    sr = lab["sr"]
    far = lab.far(lab.site("blue1"), "blue")
    since, since2 = (lab[n].log_size("charon") for n in ("blue1", "blue2"))
    ping = Ping(far, "10.2.0.10")
    sr.charon.kill()
    lab["blue1"].wait_for_log("charon", "was lost", since, 60)
    lab["blue2"].wait_for_log("charon", "was lost", since2, 60)
    missing = ping.missing()
    assert missing <= 1, f"{missing} pings unanswered while the GCKS was away"
    assert lab.is_complete(lab.site("blue1"), "blue")
    start_charon(sr)
    for group in lab.network.groups:
        expected = {s.name for s in lab.network.members(group)}
        wait_for(lambda g=group, e=expected: set(lab.registered(g)) == e,
                 f"the members of {group} to register again", 60)
        # bgpd has them all the time: charon has to, too.
        lab.wait_until_no_epoch_is_due(group)
    lab.wait_until_up()
    everybody_reaches(lab, "blue1", "blue")
    for name in ("blue1", "blue2", "red1", "dual"):
        wait_for(lambda n=name: installed_exactly(lab, n),
                 f"nothing but the new epoch at {name}", 60)


def test_control_socket_breaks(lab):
    """Either side keeps what it has; after reconnecting both agree."""
    host = lab["blue1"]
    lab.wait_until_settled("blue")
    before = spis(host)
    host.configure("router bgp 65001", "group-vpn socket /run/elsewhere.ctl")
    try:
        wait_for(lambda: host.bgp_json("show bgp group-vpn")
                 ["controlSocket"]["state"] == "down", "the socket to be down")
        assert lab.is_complete(lab.site("blue1"), "blue")
        assert spis(host) == before
        lab.wait_until_reached("blue1", "blue2", "blue")
        # A change that bgpd cannot hear of yet.
        lab["blue2"].charon.kill()
        start_charon(lab["blue2"])
    finally:
        host.configure("router bgp 65001", "no group-vpn socket")
    lab.wait_until_up()
    everybody_reaches(lab, "blue1", "blue")


def test_groups_leave_and_join_by_reload(lab):
    site, host = lab.site("dual"), lab["dual"]
    red1 = lab.site("red1")
    lab.wait_until_settled("blue")
    wait_for(lambda: installed_exactly(lab, "blue1"),
             "nothing of before at blue1", 60)
    blue_spis = {s["spi"] for s in lab["blue1"].states()}
    lab.reconfigure("dual", member_swanctl(site, lab.network, groups=["blue"]))
    try:
        wait_for(lambda: devices(host) == {"gv-blue"}, "red's device to go")
        wait_for(lambda: len(host.policies()) == 2, "red's policies to go")
        wait_for(lambda: not lab.routes(red1, "red"),
                 "dual's red route to go at red1")
        wait_for(lambda: len(host.states()) ==
                 2 * len(lab.network.others(site, "blue")),
                 "red's states to go")
        assert lab.is_complete(site, "blue")
        assert {s["spi"] for s in lab["blue1"].states()} == blue_spis
    finally:
        lab.restore("dual")
    lab.wait_until_up()
    everybody_reaches(lab, "dual", "red")


def test_a_group_that_is_removed_at_the_gcks_goes_everywhere(lab):
    """And the other group does not notice."""
    lab.reconfigure("sr", sr_swanctl(lab.network, groups=["blue"]))
    try:
        wait_for(lambda: not lab.routes(lab.site("red1"), "red"),
                 "red's routes to go")
        assert lab.is_complete(lab.site("dual"), "blue")
        lab.wait_until_reached("dual", "blue1", "blue")
    finally:
        lab.restore("sr")
        for name in ("red1", "dual"):
            lab.register_again(name)
    lab.wait_until_up()
    everybody_reaches(lab, "dual", "red")
