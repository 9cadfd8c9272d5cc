# SPDX-License-Identifier: GPL-2.0-or-later
"""An S/R whose registrations are in its frr.conf.

The outsider's host becomes one, between the key server and two of the sites:
blue1 and blue2 have it as their only neighbour, dual stays with the key
server's S/R.
"""

import pytest

from bgp_speaker import (DESCRIPTOR, DESCRIPTOR_PREFIX, ROUTES, Speaker,
                         group_attribute, rd, update, vpnv6_nlri)
from lab import LabError, wait_for
from sites import SR_ADDRESS, SR_AS, member_frr, section
from test_policing import SEALED, Scene, in_place_of_bgpd, route_epoch

BEHIND = ("blue1", "blue2")
SUBJECT = "C=CH, O=Acme, CN=site 1"


def static_lines(lab):
    """What an operator takes from "show group-vpn members" at the key server."""
    members = lab.registered("blue")

    def member(name, extra=""):
        line = members[name]
        return (f" group-vpn static blue member {line['memberId']} gateway "
                f"{line['gateway']}{extra}")
    return [" group-vpn static blue group-id 100",
            f" group-vpn static blue gcks {SR_ADDRESS}",
            *sorted([*map(member, BEHIND),
                     member("dual", f" neighbor {SR_ADDRESS}")],
                    key=lambda line: int(line.split()[4]))]


def static_frr(lab):
    asn = lab.site("outsider").asn
    neighbors = {SR_ADDRESS: SR_AS} | {
        s.gateway: s.asn for s in map(lab.site, BEHIND)}
    lines = ["hostname static\n!", f"router bgp {asn}",
             " no bgp ebgp-requires-policy", " no bgp default ipv4-unicast",
             *static_lines(lab)]
    for address, number in neighbors.items():
        lines += [f" neighbor {address} remote-as {number}",
                  f" neighbor {address} ebgp-multihop",
                  f" neighbor {address} timers 3 9",
                  f" neighbor {address} timers connect 2",
                  f" neighbor {address} advertisement-interval 0"]
    # No such host: a line for the tests of lines.
    lines += [" neighbor 192.0.2.77 remote-as 65099",
              " neighbor 192.0.2.77 shutdown",
              f" neighbor 192.0.2.77 group-vpn member {SUBJECT}"]
    lines.append(" address-family ipv6 vpn")
    lines += [f"  neighbor {address} activate" for address in neighbors]
    return "\n".join(lines) + "\n exit-address-family\nexit\n!\n"


def run_with(host, text):
    """bgpd anew, with another configuration."""
    host.write("/etc/frr/frr.conf", text)
    host.bgpd.stop()
    host.bgpd.start()
    host.load_frr()


def transit(lab, no=""):
    gateway = lab.site("outsider").gateway
    lab["sr"].configure(f"router bgp {SR_AS}",
                        f"{no}neighbor {gateway} group-vpn transit")


def put_between(lab):
    outsider = lab.site("outsider")
    transit(lab)
    run_with(lab["outsider"], static_frr(lab))
    for site in map(lab.site, BEHIND):
        run_with(lab[site.name], member_frr(site).replace(
            f"{SR_ADDRESS} remote-as {SR_AS}",
            f"{SR_ADDRESS} remote-as {outsider.asn}").replace(
                SR_ADDRESS, outsider.gateway))


def take_out(lab):
    for name in (*BEHIND, "outsider"):
        run_with(lab[name], member_frr(lab.site(name)))
    transit(lab, "no ")


@pytest.fixture
def static(lab, arrange):
    """The host that is the S/R of blue1 and blue2."""
    arrange(lab, put_between, take_out)
    return lab["outsider"]


def shown(host):
    return host.bgp_json("show bgp group-vpn")["groups"]["blue"]


def reload(host):
    host.run("/usr/lib/frr/frr-reload.py", "--reload", "--bindir",
             str(host.flavour.vtysh.parent), "/etc/frr/frr.conf")


ERRORS = (
    ("group-vpn static blue group-id 101", "% static group blue has group-id 100"),
    ("group-vpn static other group-id 100", "% group-id 100 is static group blue"),
    ("group-vpn static -x group-id 7", "% -x: a group's name has 1 to 31 of"),
    ("group-vpn static red member 1 gateway 192.0.2.9",
     '% red: no such static group, give "group-vpn static red group-id N" first'),
    ("group-vpn static red gcks 192.0.2.9", "% red: no such static group"),
    ("group-vpn static blue member 999 gateway 224.0.0.1",
     "% 224.0.0.1: must be the unicast address of another host"),
    ("group-vpn static blue member 999 gateway 192.0.2.9 neighbor ::",
     "% ::: must be the unicast address of another host"),
    ("group-vpn static blue gcks 127.0.0.1", "% 127.0.0.1: must be the unicast"),
    ("group-vpn static blue member 999 gateway 203.0.113.6",
     "% gateway 203.0.113.6 is member "),
)


def test_static_registrations(lab, static):
    blue1, blue2, dual = map(lab.site, ("blue1", "blue2", "dual"))
    lab.wait_until_settled("blue")
    for source, target in ((blue1, blue2), (blue1, dual), (dual, blue2)):
        lab.wait_until_reached(source.name, target.name, "blue")
    # The end of the old route epoch comes here last.
    wait_for(lambda: shown(static)["routesReflected"] == 3,
             "a route of each to be reflected")
    group = shown(static)
    assert group["state"] == "up" and group["static"] is True
    assert group["members"] == 3
    states = {m["gateway"]: m["state"] for m in static.bgp_json(
        "show bgp group-vpn blue members")["members"]}
    assert set(states.values()) == {"static, BGP established"}, states
    text = static.bgp("show bgp group-vpn")
    assert "not needed" in text, "a static S/R asks for no charon"
    assert f"Static: key server {SR_ADDRESS}, descriptor from neighbor" in text
    explained = static.bgp(f"show bgp group-vpn blue explain {blue2.gateway}")
    for line in (f"ok: static, descriptor of {SR_ADDRESS}",
                 f"static, gateway {blue2.gateway}",
                 f"ok: {blue2.gateway} established", "ok: 1 routes of it"):
        assert line in explained, explained

    # What is not configured is not reflected, and configured again it is.
    lines = static_lines(lab)
    running = static.vtysh("show running-config")
    at = [i for i, line in enumerate(running.splitlines()) if "static" in line
          and "hostname" not in line]
    assert [running.splitlines()[i] for i in at] == lines
    member = next(x for x in lines if x.endswith(blue2.gateway)).strip()
    router = f"router bgp {lab.site('outsider').asn}"
    static.configure(router, "no " + member)
    wait_for(lambda: blue2.lan_prefix("blue") not in lab.routes(blue1, "blue"),
             "blue2's route to be gone")
    wait_for(lambda: not lab.routes(blue2, "blue"), "blue2 to be given nothing")
    static.configure(router, member)
    lab.wait_until_up()

    # Without the key server there is no descriptor, and who hears none is silent.
    static.configure(router, "no group-vpn static blue gcks")
    wait_for(lambda: lab.routes(blue1, "blue") == {dual.lan_prefix("blue")} and
             not lab.routes(dual, "blue"), "the two to announce nothing")
    assert 'no "group-vpn static ... gcks"' in shown(static)["state"]
    static.configure(router, f"group-vpn static blue gcks {SR_ADDRESS}")
    lab.wait_until_up()

    for command, message in ERRORS:
        with pytest.raises(LabError) as error:
            static.configure(router, command)
        assert message in str(error.value), (command, error.value)
    assert static.vtysh("show running-config") == running


def test_static_lines_are_kept(lab, static):
    """Through write, a new bgpd, and frr-reload.py, which knows to change
    them."""
    running = static.vtysh("show running-config")
    dual = next(x for x in static_lines(lab) if "neighbor" in x)
    static.vtysh("write memory")
    run_with(static, static.read("/etc/frr/frr.conf"))
    assert static.vtysh("show running-config") == running
    since = static.log_size("bgpd")
    reload(static)
    assert "member" not in static.log("bgpd", since)

    assert f" group-vpn member {SUBJECT}\n" in running

    def changed(text):
        return text.replace(dual + "\n", "").replace(
            "group-id 100", "group-id 77").replace(
            "static blue", "static azure").replace("site 1", "site 2")
    text = static.read("/etc/frr/frr.conf")
    static.write("/etc/frr/frr.conf", changed(text))
    reload(static)
    assert static.vtysh("show running-config") == changed(running)
    static.write("/etc/frr/frr.conf", text)
    reload(static)
    assert static.vtysh("show running-config") == running
    lab.wait_until_up()


def test_static_policing(lab, static):
    """What is not keyed is held against the configuration."""
    site, epoch = lab.site("blue1"), route_epoch(lab, "blue2")
    blue = lab.registered("blue")
    own, other = blue["blue1"], blue["blue2"]
    with in_place_of_bgpd(lab["blue1"], lambda: Speaker.connect(
            lab["blue1"], site.gateway, lab.site("outsider").gateway,
            site.asn)) as session:
        scene = Scene(lab, session, "outsider", site.asn, site.gateway)

        def claim(reason, kind=ROUTES, member=own["memberId"],
                  gateway=own["gateway"], group=100, prefix=SEALED):
            scene.expect_drop(reason, group, rd(member, group), prefix,
                              group_attribute(kind, group, member,
                                              member and 99, gateway, epoch))
        claim("gateway", member=other["memberId"], gateway=other["gateway"])
        claim("gateway", gateway=other["gateway"])
        claim("notRegistered", member=999)
        claim("unknownGroup", group=200)
        claim("descriptor", kind=DESCRIPTOR, member=0, gateway=SR_ADDRESS,
              prefix=DESCRIPTOR_PREFIX)
        assert SEALED not in lab["blue2"].bgp("show bgp ipv6 vpn")
        # The Sender-ID is not known here.
        session.send(update(site.asn, 100, [vpnv6_nlri(
            rd(own["memberId"], 100), SEALED)], group_attribute(
                ROUTES, 100, own["memberId"], 99, own["gateway"], epoch),
            own["gateway"]))
        wait_for(lambda: SEALED in lab["blue2"].bgp("show bgp ipv6 vpn"),
                 "a Sender-ID that is not known to pass")


def test_the_configuration_comes_before_charon(lab, static):
    router = f"router bgp {lab.site('outsider').asn}"
    since = static.log_size("bgpd")
    lab.reconfigure("outsider", section("groups", section(
        "blue", "id = 100", "role = gcks", "members = nobody")))
    try:
        static.configure(router, "group-vpn reflector")
        static.wait_for_log("bgpd", "group blue (100): charon has group blue "
                            '(100), too, and is not heard about it because of '
                            '"group-vpn static blue"', since)
        assert shown(static)["charonIgnored"] is True
        assert "charon has this group, too" in static.bgp("show bgp group-vpn")
        lab.wait_until_up()
        static.configure(router, "no group-vpn static blue")
        static.wait_for_log("bgpd", "group blue (100) up: S/R device", since)
        wait_for(lambda: "static" not in shown(static) and
                 shown(static)["state"] == "up", "charon to be heard again")
        static.configure(router, *(x.strip() for x in static_lines(lab)))
        lab.wait_until_up()
        static.configure(router, "no group-vpn reflector")
    finally:
        lab.restore("outsider")
