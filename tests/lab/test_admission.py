# SPDX-License-Identifier: GPL-2.0-or-later
"""What the GCKS asks of those it admits, and what it gives them."""

import pytest

from lab import wait_for
from sites import (DOMAIN, SR_ADDRESS, SR_AS, member_swanctl, section,
                   sr_swanctl)
from test_management import ctl, epoch
from test_restart import start_charon
from test_store import rejoin

OUTSIDER = f"outsider.{DOMAIN}"
DN = "C=CH, O=Acme, CN=outsider"
PLUGIN_CONF = "/etc/strongswan.d/charon/groupvpn.conf"


def with_groups(text, *groups):
    """A swanctl.conf with other groups besides those it has."""
    return text.rstrip().removesuffix("}") + "".join(groups) + "}\n"


def strict(*options):
    """A group that the S/R has for one test."""
    return section("strict", "id = 300", "role = gcks", *options)


def as_member(lab, old="", new="", extra=""):
    """The outsider's swanctl.conf with that group alone."""
    text = member_swanctl(lab.site("outsider"), lab.network, groups=[])
    return with_groups(text.replace(old, new) if old else text, section(
        "strict", "id = 300", "role = member", "gcks = sr")) + extra


@pytest.fixture
def admit(lab):
    """Sets up the group at the S/R and the outsider, and removes it again."""
    def setup(policy, member, extra=""):
        since = lab["sr"].log_size("charon")
        lab.reconfigure("outsider", member)
        # What the IKE_SA until now was authenticated by does not count.
        lab["outsider"].swanctl("--terminate", "--ike", "sr", check=False)
        lab.reconfigure("sr", with_groups(sr_swanctl(lab.network),
                                          strict(*policy)) + extra)
        return since
    yield setup
    for host in ("sr", "outsider"):
        lab.restore(host)
    lab["outsider"].swanctl("--terminate", "--ike", "sr", check=False)
    wait_for(lambda: "strict" not in
             lab["sr"].bgp_json("show bgp group-vpn")["groups"],
             "the S/R to have given up the group")


def refused(lab, since, reason):
    """The line of the S/R's log."""
    return wait_for(
        lambda: next((line for line in
                      lab["sr"].log("charon", since).splitlines()
                      if "for group-ID 300 refused with" in line and
                      reason in line), None),
        f"a refusal because {reason!r}")


def admitted(lab):
    return wait_for(lambda: lab.registered("strict").get("outsider"),
                    "the outsider to be registered")


def test_eap_authorises_nobody(lab, admit):
    """Even if the identities, IKE's and EAP's, are those of a member."""
    connection = section(
        "sites-eap", "version = 2", f"local_addrs = {SR_ADDRESS}",
        "childless = force",
        f"local {{\n    auth = pubkey\n    certs = host.pem\n"
        f"    id = sr.{DOMAIN}\n}}",
        "remote {\n    auth = eap-md5\n    eap_id = %any\n}")
    secret = section("secrets", section(
        "eap", f"id = {OUTSIDER}", "secret = of an EAP user"))
    lab.credentials.issue(lab["outsider"], OUTSIDER)
    since = admit(
        [f"members = {OUTSIDER}"],
        as_member(lab).replace("auth = psk", "auth = eap-md5", 1)
        .replace("auth = psk", "auth = pubkey") + secret,
        section("connections", connection) + secret)
    lab["sr"].wait_for_log("charon", "with EAP successful", since)
    assert "psk or pubkey and not EAP" in refused(
        lab, since, "did not use the credential")


def test_distinguished_names(lab, admit):
    admit(["members = nobody, /C=CH/O=Acme/CN=*"],
          as_member(lab, f"id = {OUTSIDER}", f'id = "{DN}"'),
          section("secrets", section(
              "ike-dn", f'id = "{DN}"',
              'secret = "a long secret of outsider and the S/R"')))
    shown = wait_for(lambda: lab["sr"].bgp_json(
        "show bgp group-vpn strict members").get("members"),
        "the outsider to be registered")
    assert shown[0]["identity"] == DN

    # As bgpd prints it, it is what "neighbor X group-vpn member" takes.
    sr, gateway = lab["sr"], lab.site("outsider").gateway

    def state():
        member, = sr.bgp_json("show bgp group-vpn strict members")["members"]
        return member["state"]
    line = f"neighbor {gateway} group-vpn member"
    router = f"router bgp {SR_AS}"

    def wait_for_state(text):
        wait_for(lambda: state() == text, text)
    try:
        sr.configure(router, f"{line} {DN}2")
        wait_for_state("registered, no BGP neighbor has this address")
        sr.configure(router, f"{line} {DN}")
        wait_for_state("registered, BGP established")
        sr.configure(router, f"no {line} {DN}2")
        assert f" {line} {DN}\n" in sr.vtysh("show running-config")
    finally:
        sr.configure(router, f"no {line}")
    assert line not in sr.vtysh("show running-config")


def test_a_stricter_credential_evicts(lab, admit):
    """At once, and also one that is known from the store only."""
    sr, psk = lab["sr"], f"members = {OUTSIDER}"
    admit([psk], as_member(lab))
    admitted(lab)
    pubkey = with_groups(sr_swanctl(lab.network),
                         strict(psk, "credential = pubkey"))
    since, told = sr.log_size("charon"), lab["outsider"].log_size("charon")
    lab.reconfigure("sr", pubkey)
    sr.wait_for_log("charon", "removed: not authorised anymore", since)
    # It is told why, and has no other group by the IKE_SA.
    lab["outsider"].wait_for_log(
        "charon", "is down: not authorised anymore: the peer did not use the "
        "credential", told)
    sr.wait_for_log("charon", "deleting IKE_SA", since)
    refused(lab, since, "did not use the credential")
    lab.reconfigure("sr", with_groups(sr_swanctl(lab.network), strict(psk)))
    admitted(lab)

    number = epoch(sr, "strict")
    sr.charon.stop()
    sr.write("/etc/swanctl/swanctl.conf", pubkey)
    start_charon(sr)
    wait_for(lambda: epoch(sr, "strict") > number,
             "an epoch that the outsider has not")
    wait_for(lambda: epoch(sr, "blue") == epoch(lab["blue1"], "blue"),
             "blue to be as it was")


def test_an_eviction_is_of_all_names_of_a_certificate(lab, admit):
    other = f"other.{DOMAIN}"
    lab.credentials.issue(lab["outsider"], OUTSIDER, names=[other])
    text = as_member(lab).replace("auth = psk", "auth = pubkey")

    def come_as(identity):
        lab.reconfigure("outsider", text.replace(f"id = {OUTSIDER}",
                                                 f"certs = host.pem\n"
                                                 f"id = {identity}"))
        lab["outsider"].swanctl("--terminate", "--ike", "sr", check=False)

    def registered(name):
        wait_for(lambda: set(lab.registered("strict")) == {name},
                 f"it to be registered as {name} alone")

    since = admit([f"members = {OUTSIDER}, {other}"], text)
    come_as(OUTSIDER)
    registered("outsider")
    ctl(lab["sr"], "evict", "strict", OUTSIDER, "stolen")
    come_as(other)
    line = refused(lab, since, "for, too")
    assert f"of '{other}'" in line
    assert f"(stolen) as '{OUTSIDER}', which its certificate is for" in line
    ctl(lab["sr"], "readmit", "strict", OUTSIDER)
    registered("other")

    # Nor does it stay by the other name.
    number = epoch(lab["sr"], "strict")
    since = lab["sr"].log_size("charon")
    ctl(lab["sr"], "evict", "strict", OUTSIDER, "stolen")
    lab["sr"].wait_for_log("charon", f"'{other}' at "
                           f"{lab.site('outsider').gateway} removed: its "
                           f"certificate is for '{OUTSIDER}', too, evicted: "
                           "stolen", since)
    assert epoch(lab["sr"], "strict") > number
    refused(lab, since, "for, too")
    ctl(lab["sr"], "readmit", "strict", OUTSIDER)


def test_nat(lab, admit):
    since = admit([f"members = {OUTSIDER}"],
                  as_member(lab, "version = 2", "version = 2\n encap = yes"))
    refused(lab, since, "it is behind a NAT")
    lab.reconfigure("outsider", as_member(lab))
    lab.register_again("outsider")
    admitted(lab)


def test_one_gateway_one_member(lab, admit):
    """Another identity from the same address waits for the first to be gone."""
    other = f"other.{DOMAIN}"
    secret = section("secrets", section(
        "ike-other", f"id = {other}",
        'secret = "a long secret of outsider and the S/R"'))
    since = admit([f"members = {OUTSIDER}, {other}"], as_member(lab), secret)
    admitted(lab)
    lab["outsider"].charon.kill()
    lab["outsider"].write("/etc/swanctl/swanctl.conf",
                          as_member(lab, OUTSIDER, other))
    start_charon(lab["outsider"])
    line = refused(lab, since, "its gateway is that of member")
    assert f"'{other}'" in line and f"'{OUTSIDER}'" in line
    wait_for(lambda: set(lab.registered("strict")) == {"other"},
             "the other one to be registered once the first is gone")


def test_new_sender_ids_are_rationed(lab, admit):
    sr, outsider = lab["sr"], lab["outsider"]
    since = admit([f"members = {OUTSIDER}"], as_member(lab))
    last = admitted(lab)["senderId"]
    nothing = member_swanctl(lab.site("outsider"), lab.network, groups=[])

    def sender_id():
        return lab.registered("strict").get("outsider", {}).get("senderId", 0)
    for _ in range(40):
        # As few commands as possible: there is one more every five seconds.
        left = sr.log_size("charon")
        outsider.write("/etc/swanctl/swanctl.conf", nothing)
        outsider.swanctl("--reload-settings")
        sr.wait_for_log("charon", "removed: it left the group", left)
        outsider.write("/etc/swanctl/swanctl.conf", as_member(lab))
        outsider.swanctl("--reload-settings")
        wait_for(lambda: "Sender-IDs too often" in sr.log("charon", since) or
                 sender_id() > last, "an answer")
        if "Sender-IDs too often" in sr.log("charon", since):
            break
        last = sender_id()
    assert "REGISTRATION_FAILED" in refused(lab, since, "Sender-IDs too often")
    wait_for(lambda: sender_id() > last, "another one when it is due")


def test_sender_ids_rise_without_a_store(lab):
    """What the GCKS does not remember it hears from the member."""
    sr = lab["sr"]
    usual = sr.read(PLUGIN_CONF)
    for _ in range(2):
        rejoin(lab, "blue1")
        lab.wait_until_up()
    before = {n: m["senderId"] for n, m in lab.registered("blue").items()}
    sr.charon.stop()
    sr.write(PLUGIN_CONF, usual.replace("load = yes",
                                        "load = yes\n    store = none"))
    since = sr.log_size("charon")
    try:
        start_charon(sr)
        # bgpd knows them all the time: charon has to, too.
        for name in before:
            sr.wait_for_log("charon", f"group 'blue': '{name}.{DOMAIN}' at",
                            since)
        wait_for(lambda: {n: m["senderId"] for n, m in
                          lab.registered("blue").items()} == before,
                 "all members to be back with the Sender-IDs they had")
        rejoin(lab, "blue1")

        def sender_id():
            return lab.registered("blue")["blue1"]["senderId"]
        assert wait_for(lambda: sender_id() != before["blue1"] and sender_id(),
                        "another Sender-ID for blue1") > before["blue1"]
    finally:
        sr.charon.stop()
        sr.write(PLUGIN_CONF, usual)
        start_charon(sr)
    lab.wait_until_up()


def test_new_keys_survive_a_rekeyed_ike_sa(lab):
    """Keys are pushed while the member replaces the IKE_SA: nothing reaches it,
    so that the old IKE_SA's request is still open when the new one is there."""
    sr, member, router = lab["sr"], lab["blue1"], lab["b1"]
    neighbour = f"{lab.site('blue1').gateway} dev to-blue1"

    def reconnect(dpd, rekey):
        """An IKE_SA whose dead peer detection does not come in between."""
        gcks = sr_swanctl(lab.network).replace(
            "id = 100", f"id = 100\n    rekey = {rekey}")
        for host, text in (("sr", gcks), ("blue1",
                           member_swanctl(lab.site("blue1"), lab.network))):
            lab.reconfigure(host, text.replace("dpd_delay = 3s",
                                               f"dpd_delay = {dpd}"))
        since = sr.log_size("charon")
        lab.register_again("blue1")
        sr.wait_for_log("charon", f"'blue1.{DOMAIN}' at", since)

    reconnect("100s", "inband")
    since = sr.log_size("charon")
    router.ip(f"neighbour replace {neighbour} lladdr 02:00:00:00:00:01")
    try:
        ctl(sr, "rekey", "blue")
        member.swanctl("--rekey", "--ike", "sr")
        sr.wait_for_log("charon", "rekeyed between", since)
    finally:
        router.ip(f"neighbour del {neighbour}")
    wait_for(lambda: epoch(member, "blue") == epoch(sr, "blue"),
             "blue1 to have the new epoch", 30)
    reconnect("3s", "bgp")
