# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration: what is wrong is told, what is right is kept."""

import re

import pytest

from bgp_speaker import (ROUTES, UPDATE, Speaker, attributes, group_attribute,
                         rd, update, vpnv6_nlri)
from lab import SOURCE, wait_for
from sites import SR_ADDRESS, SR_AS, member_swanctl, section, sr_swanctl
from test_policing import SEALED, in_place_of_bgpd
from test_restart import start_charon


def member_group(name, **options):
    values = {"id": "500", "role": "member", "gcks": "sr"} | options
    return section(name, *(f"{k} = {v}" for k, v in values.items()
                           if v is not None))


def gcks_group(*options):
    return section("bad", "id = 500", "role = gcks", *options)


# What is wrong, and what the log says of it: the value, and what is right.
WRONG = {
    "id that is no number": (
        member_group("bad", id="blue"), 'id = "blue": must be a number'),
    "id out of range": (
        member_group("bad", id="4294967296"), "must be a number from 1 to"),
    "id zero": (member_group("bad", id="0"), "must be a number from 1 to"),
    "id missing": (member_group("bad", id=None), "option 'id' is missing"),
    "id twice": (
        member_group("first") + member_group("second"), "must be unique"),
    "role unknown": (
        member_group("bad", role="boss"), 'role = "boss": must be "member" or'),
    "role missing": (member_group("bad", role=None), "option 'role' is missing"),
    "option of the other role": (
        member_group("bad", members="x"), "is for role = gcks"),
    "option unknown": (
        member_group("bad", colour="red"), "unknown option 'colour'"),
    "gcks missing": (member_group("bad", gcks=None), "option 'gcks' is missing"),
    "device name too long": (
        member_group("bad", device="gv-a-name-that-is-too-long"),
        "1 to 15 characters"),
    "default device name too long": (
        member_group("a-long-group-name"), "set 'device'"),
    "device name with a slash": (
        member_group("bad", device="gv/x"), "must be the name of an interface"),
    "shared SAs with an AEAD": (
        section("bad", "id = 500", "role = gcks", "sa_mode = shared"),
        'sa_mode = "shared": not with an AEAD cipher'),
    "shared SAs with a replay window": (
        section("bad", "id = 500", "role = gcks", "sa_mode = shared",
                "esp_proposal = aes128-sha256", "replay_window = 64"),
        'replay_window = "64": not with sa_mode = "shared"'),
    "shared SAs with extended sequence numbers": (
        section("bad", "id = 500", "role = gcks", "sa_mode = shared",
                "esp_proposal = aes128-sha256", "esn = yes"),
        'esn = "yes": not with sa_mode = "shared"'),
    "sa_mode unknown": (
        section("bad", "id = 500", "role = gcks", "sa_mode = both"),
        'sa_mode = "both": must be "derived" or "shared"'),
    "encap unknown": (
        section("bad", "id = 500", "role = gcks", "encap = vxlan"),
        'encap = "vxlan": must be "gre", "ipip" or "ipip6"'),
    "address of the other family": (
        section("bad", "id = 500", "role = gcks", "address = 2001:db8::2"),
        "address = 2001:db8::2: must be an IPv4 address, as encap = gre"),
    "IPv4 address of a group with IPv6 gateways": (
        section("bad", "id = 500", "role = gcks", "encap = ipip6",
                "address = 192.0.2.2"),
        "address = 192.0.2.2: must be an IPv6 address, as encap = ipip6"),
    "channel without an address": (
        section("bad", "id = 500", "role = gcks", "channel = yes"),
        "set 'address' to the address that members speak BGP to"),
    "channel with shared SAs": (
        section("bad", "id = 500", "role = gcks", "sa_mode = shared",
                "esp_proposal = aes128-sha256", "channel = yes",
                "address = 192.0.2.2"),
        'channel = "yes": not with sa_mode = "shared"'),
    "channel with a connection that is not there": (
        member_group("bad", channel="yes", gcks="nowhere"),
        "remote_addrs = \"\" of connection 'nowhere' must be addresses"),
    "discovery unknown": (
        gcks_group("discovery = all"),
        'discovery = "all": must be "registered" or "open"'),
    "discovery without an address": (
        gcks_group("discovery = open"),
        "discovery = \"open\": set 'address' to the address"),
    "fail unknown": (
        member_group("bad", fail="safe"),
        'fail = "safe": must be "close" or "open"'),
    "distinguished name with commas": (
        section("bad", "id = 500", "role = gcks",
                'members = "C=CH, O=Acme, CN=*"'),
        'members = "C=CH, O=Acme, CN=*": must be identities'),
    "distinguished name with an unknown attribute": (
        section("bad", "id = 500", "role = gcks", "members = /C=CH/X=Acme"),
        "write a distinguished name with slashes"),
    "proposal unknown": (
        section("bad", "id = 500", "role = gcks", "esp_proposal = des"),
        'esp_proposal = "des": must be one of "aes128gcm16"'),
    "proposal without integrity": (
        section("bad", "id = 500", "role = gcks", "esp_proposal = aes256"),
        'esp_proposal = "aes256": must be'),
    "proposal of an AEAD with integrity": (
        section("bad", "id = 500", "role = gcks",
                "esp_proposal = aes256gcm16-sha256"),
        'esp_proposal = "aes256gcm16-sha256": must be'),
    "proposal with a key exchange": (
        section("bad", "id = 500", "role = gcks",
                "esp_proposal = aes256-sha256-modp2048"),
        'esp_proposal = "aes256-sha256-modp2048": must be'),
    "two ciphers": (
        section("bad", "id = 500", "role = gcks",
                "esp_proposal = aes256-aes128-sha256"),
        'esp_proposal = "aes256-aes128-sha256": must be'),
    "lifetime less than twice dtd": (
        gcks_group("lifetime = 30s", "dtd = 20s"),
        "lifetime = 30s: must be at least twice dtd = 20s"),
    "dtd not longer than atd": (
        section("bad", "id = 500", "role = gcks", "atd = 10s", "dtd = 5s"),
        "must be longer than atd"),
    "issuer that is no distinguished name": (
        gcks_group("issuer = ca.example.net"),
        'issuer = "ca.example.net": must be distinguished names of CAs'),
    "issuer that would be everybody": (
        gcks_group('issuer = ""'), 'issuer = "": must be distinguished names'),
    "issuer with a pre-shared key": (
        gcks_group("issuer = /CN=CA", "credential = psk"),
        'credential = psk: must be "pubkey" or "any"'),
    "certificate with a pre-shared key": (
        gcks_group("certificate = site1.example.net", "credential = psk"),
        'credential = psk: must be "pubkey" or "any"'),
    "certificate that would be everybody": (
        gcks_group('certificate = " , "'), "must be at least one of identities"),
    "certificate with commas": (
        gcks_group('certificate = "C=CH, O=Acme"'),
        'certificate = "C=CH, O=Acme": must be at least one of identities'),
    "senders none": (
        gcks_group('senders = ""'), 'senders = "": must be at least one of'),
    "receivers none": (
        gcks_group('receivers = ""'), 'receivers = "": must be at least one of'),
    "max_members zero": (
        gcks_group("max_members = 0"),
        'max_members = "0": must be a number from 1 to 65535'),
    "max_members with a unit": (
        gcks_group("max_members = 10k"), "must be a number from 1 to 65535"),
    "policy unknown": (
        gcks_group("policy = radius"), 'policy = "radius": must be "file", or'),
    "policy server of a relative path": (
        gcks_group("policy = unix://policy.sock"),
        'policy = "unix://policy.sock": must be "file", or'),
    "policy server of a path too long": (
        gcks_group("policy = unix:///" + "x" * 107), "at most 107 characters"),
    "policy option of a member": (
        member_group("bad", max_members="5"), "is for role = gcks"),
}


# Values that options do not take, by role: below and above, of another form.
BAD = {
    "gcks": {
        "channel": ["on"],
        "credential": ["eap"],
        "issuer": ["ca"],
        "certificate": ['""'],
        "senders": ['""'],
        "receivers": ['""'],
        "members": ['"C=CH, CN=*"'],
        "max_members": ["0", "65536"],
        "policy": ["unix:socket"],
        "esp_proposal": ["aes256"],
        "sa_mode": ["both"],
        "encap": ["vxlan"],
        "esn": ["on"],
        "lifetime": ["9s", "31d", "1 h", "-60s"],
        "atd": ["0s", "601s", "1.5s", "10x"],
        "dtd": ["0", "1201s", "5sec"],
        "rekey_on_add": ["on"],
        "rekey_on_remove": ["never"],
        "replay_window": ["48", "16", "8192", "0"],
        "rekey": ["ibgp"],
        "kek_lifetime": ["9s", "31d", "500ms"],
        "max_prefixes": ["257", "-1"],
        "allowed_prefixes": ["10.0.0.1/8", "10.0.0.0/33"],
        "address": ["sr.example.net", "192.0.2.256"],
        "discovery": ["all"],
    },
    "member": {
        "gcks": ['""'],
        "peers": ['"' + 1001 * "x" + '"'],
        "prefixes": ["0.0.0.0/0", "10.0.0.1/24", '"10.0.0.0/8, 10.0.0.0/8"'],
        "esp_proposals": ["aes256", "des-md5"],
        "carrier": ["bgp"],
        "vrf": ["a-name-too-long-"],
        "device": ["gv/x"],
        "fail": ["safe"],
    },
}


def test_bad_values_are_told(lab):
    """Those of one group all at once, and what would be right."""
    host = lab["outsider"]
    code = (SOURCE / "strongswan-plugin/groupvpn_config.c").read_text()
    options = set(re.findall(r'^\t\{ "(\w+)",', code, re.M))
    assert options == set(BAD["gcks"]) | set(BAD["member"]) | {"id", "role"}
    text, expected = "", []
    for role, values in BAD.items():
        for i in range(max(map(len, values.values()))):
            name = f"bad-{role}{i}"
            bad = {o: v[i] for o, v in values.items() if i < len(v)}
            text += section(name, f"id = {500 + i}", f"role = {role}", *(
                f"{o} = {v}" for o, v in bad.items()))
            expected += [f"group '{name}': {o} = \"" + v.strip('"')[:100]
                         for o, v in bad.items()]
    good = member_swanctl(lab.site("outsider"), lab.network).rstrip()
    since = host.log_size("charon")
    lab.reconfigure("outsider", good.removesuffix("}") + text + "}\n")
    try:
        host.wait_for_log("charon", "group 'bad-member2' is not loaded", since)
        log = host.log("charon", since)
        for line in expected:
            assert line in log, line
        assert log.count("is not loaded") == 4 + 3
    finally:
        lab.restore("outsider")


@pytest.mark.parametrize("wrong", WRONG)
def test_errors_in_groups_are_told(lab, wrong):
    """The group is left out, the good one beside it stays."""
    host = lab["outsider"]
    text, message = WRONG[wrong]
    good = member_swanctl(lab.site("outsider"), lab.network).rstrip()
    since = host.log_size("charon")
    lab.reconfigure("outsider", good.removesuffix("}") + text + "}\n")
    try:
        line = host.wait_for_log("charon", message, since)
        assert "/etc/swanctl/swanctl.conf" in line
        log = host.log("charon", since)
        assert "is not loaded" in log
        assert "group 'blue' is not loaded" not in log
    finally:
        lab.restore("outsider")


def test_errors_in_strongswan_conf_are_told(lab):
    """The plugin starts with the defaults of the options."""
    host, file = lab["outsider"], "/etc/strongswan.d/charon/groupvpn.conf"
    usual = host.read(file)
    name = ".plugins.groupvpn"
    since = host.log_size("charon")
    try:
        host.write(file, "groupvpn {\n    load = yes\n    exchange = ye\n"
                   "    policy_timeout = 500ms\n    recheck = 31d\n"
                   "    retry_min = 5s\n    retry_max = 2\n    rety = 1\n}\n")
        host.charon.stop()
        start_charon(host)
        for line in (
                '.exchange = "ye": must be "yes" or "no"; "no" is used',
                '.policy_timeout = "500ms": must be a time from 1s to 60s, such '
                'as 30s or 1m; 1s is used',
                '.recheck = "31d": must be a time from 0s to 2592000s, such as '
                '30s or 1m; 3600s is used',
                ".retry_max = 2s: must not be shorter than retry_min = 5s; 5s "
                "is used"):
            host.wait_for_log("charon", name + line, since)
        host.wait_for_log("charon", ".rety' (value \"1\")", since)
    finally:
        host.write(file, usual)
        host.charon.stop()
        start_charon(host)


def test_every_option_is_documented():
    code = (SOURCE / "strongswan-plugin/groupvpn_config.c").read_text()
    page = (SOURCE / "doc/groupvpn.conf.5").read_text()
    options = set(re.findall(r'^\t\{ "(\w+)",', code, re.M))
    headings = re.findall(r"^\.It Ic (.*)$", page, re.M)
    assert "members" in options
    assert options <= {word for line in headings for word in line.split()}


def test_unreadable_file_changes_nothing(lab):
    host = lab["blue1"]

    def senders():
        """Of both ends of the SAs: whoever joins anew has another one. New keys
        may be due all the same."""
        return {(s["dst"], s["spi"] & 0xffffff) for s in host.states()}
    before = senders()
    file = host.outside("/etc/swanctl/swanctl.conf")
    text = file.read_text()
    for fault in ("groups { blue { id = 100\n", None):
        since = host.log_size("charon")
        if fault:
            file.write_text(fault)
        else:
            file.unlink()
        # swanctl itself refuses such a file; charon is told to look all the same.
        host.swanctl("--reload-settings", check=False)
        host.charon.process.send_signal(1)
        host.wait_for_log("charon", "swanctl.conf", since)
        host.write("/etc/swanctl/swanctl.conf", text)
    lab.restore("blue1")
    assert senders() == before


def test_absent_vrf_is_told_and_waited_for(lab):
    """Nothing is half installed before it is there."""
    host, site = lab["blue1"], lab.site("blue1")
    since = host.log_size("charon")
    text = member_swanctl(site, lab.network).replace("vrf = blue", "vrf = late")
    lab.reconfigure("blue1", text)
    try:
        line = host.wait_for_log("charon", "can not be brought up", since)
        assert "late" in line
        wait_for(lambda: not host.states() and not host.policies(),
                 "no state and no policy")
        wait_for(lambda: not host.ip_json("link show type gre"), "no device")
        host.ip("link add late type vrf table 1999", "link set dev late up")
        host.wait_for_log("charon", "group 'blue' is up", since)
        # bgpd is bound to VRF blue, and says that the two do not agree.
        wait_for(lambda: "late" in host.bgp_json("show bgp group-vpn")
                 ["groups"]["blue"]["state"], "bgpd to tell the mismatch")
    finally:
        lab.restore("blue1")
        host.ip("link del late")


def test_configuration_is_shown_written_and_read_again(lab):
    host = lab["blue1"]
    host.configure("router bgp 65001", "group-vpn attribute-type 200",
                   "group-vpn socket /run/charon.groupvpn.ctl")
    running = host.vtysh("show running-config")
    try:
        for line in (" group-vpn attribute-type 200",
                     " group-vpn socket /run/charon.groupvpn.ctl",
                     " group-vpn member blue"):
            assert line in running.splitlines()
        host.vtysh("write memory")
        assert " group-vpn member blue" in host.read("/etc/frr/frr.conf")
        host.bgpd.stop()
        host.bgpd.start()
        host.load_frr()
        assert host.vtysh("show running-config") == running
    finally:
        host.configure("router bgp 65001", "no group-vpn attribute-type",
                       "no group-vpn socket")
    assert "attribute-type" not in host.vtysh("show running-config")
    host.vtysh("write memory")


def test_another_attribute_type(lab):
    """It is what is on the wire, and another type is none of ours."""
    site, own = lab.site("blue2"), lab.registered("blue")["blue2"]
    everybody = {"sr": SR_AS} | {s.name: s.asn for s in
                                 lab.network.members("blue")}
    blue1 = lab.site("blue1").lan_prefix("blue")

    def set_type(names, line):
        for name in names:
            lab[name].configure(f"router bgp {everybody[name]}", line)

    def types(session):
        return {number for kind, body in session.received if kind == UPDATE
                for number in attributes(body) if number >= 128}
    speaks = in_place_of_bgpd(lab["blue2"], lambda: Speaker.connect(
        lab["blue2"], site.gateway, SR_ADDRESS, site.asn))
    set_type(everybody.keys() - {"blue2"}, "group-vpn attribute-type 200")
    try:
        wait_for(lambda: lab.routes(lab.site("dual"), "blue") == {blue1},
                 "dual to have the route of blue1, which has that type, too, "
                 "and no other")
        with speaks as session:
            wait_for(lambda: types(session) == {200},
                     "UPDATEs with the type that is configured")

            def say(attribute_type):
                session.send(update(
                    site.asn, 100, [vpnv6_nlri(rd(own["memberId"], 100), SEALED)],
                    group_attribute(ROUTES, 100, own["memberId"],
                                    own["senderId"], own["gateway"]),
                    site.gateway, attribute_type))
            say(200)
            wait_for(lambda: SEALED in lab["blue1"].bgp("show bgp ipv6 vpn"),
                     "a route with it to be at a member")
            before = lab.drops("sr", "blue")["routeDistinguisher"]
            say(255)
            wait_for(lambda: SEALED not in lab["blue1"].bgp("show bgp ipv6 vpn"),
                     "one without it to be refused")
            assert lab.drops("sr", "blue")["routeDistinguisher"] > before
    finally:
        set_type(everybody.keys() - {"blue2"}, "no group-vpn attribute-type")


def test_policies_of_ours_are_not_shown(lab):
    """The S/R's configuration is what its operator wrote."""
    running = lab["sr"].vtysh("show running-config")
    assert " group-vpn reflector" in running.splitlines()
    assert "route-map" not in running


def test_operators_route_map_keeps_working(lab):
    """A map of the operator's at the S/R still filters what blue2 gets."""
    sr, gateway = lab["sr"], lab.site("blue2").gateway
    name = f"neighbor {gateway} route-map NOTHING out"
    sr.configure("route-map NOTHING deny 10", "exit", "router bgp 65000",
                 "address-family ipv6 vpn", name)
    try:
        wait_for(lambda: not lab.routes(lab.site("blue2"), "blue"),
                 "blue2 to have no routes any more")
        assert name in sr.vtysh("show running-config")
    finally:
        sr.configure("router bgp 65000", "address-family ipv6 vpn", f"no {name}")
        sr.configure("no route-map NOTHING")


def test_unconfigured_neighbour_policy_still_denies(lab):
    """RFC 8212: with ebgp-requires-policy our maps do not count as policy."""
    sr = lab["sr"]
    sr.configure("router bgp 65000", "bgp ebgp-requires-policy")
    try:
        sr.vtysh("clear bgp *")
        wait_for(lambda: not lab.routes(lab.site("blue1"), "blue"),
                 "no routes without a policy")
    finally:
        sr.configure("router bgp 65000", "no bgp ebgp-requires-policy")
        sr.vtysh("clear bgp *")


def test_bindings_follow_the_configuration(lab):
    host = lab["blue1"]
    host.configure("router bgp 65001 vrf blue", "no group-vpn member blue")
    try:
        wait_for(lambda: not lab.routes(lab.site("blue1"), "blue"),
                 "blue1 to have no routes of the group")
        wait_for(lambda: "10.1.0.0/24" not in
                 lab.routes(lab.site("blue2"), "blue"),
                 "blue1's route to go at the others")
    finally:
        host.configure("router bgp 65001 vrf blue", "group-vpn member blue")


def test_gcks_refuses_nobody_listed(lab):
    """Removing a site from 'members' takes it out, adding it lets it in."""
    text = sr_swanctl(lab.network)
    lab.reconfigure("sr", text.replace("blue2.example.net, ", ""))
    try:
        wait_for(lambda: "blue2" not in lab.registered("blue"),
                 "blue2 to be no longer registered")
        wait_for(lambda: "10.2.0.0/24" not in
                 lab.routes(lab.site("blue1"), "blue"),
                 "blue2's route to go at the others")
    finally:
        lab.restore("sr")
        lab.register_again("blue2")
