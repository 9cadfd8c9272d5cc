# SPDX-License-Identifier: GPL-2.0-or-later
"""Who gets into a group, and who does not and why."""

from lab import wait_for
from sites import member_swanctl, section, sr_swanctl


def test_members_are_registered(lab):
    for group in lab.network.groups:
        members = lab.network.members(group)
        wait_for(lambda g=group, m=members: set(lab.registered(g)) ==
                 {site.name for site in m}, f"the members of {group}")
        shown = lab.registered(group)
        for site in members:
            assert shown[site.name]["gateway"] == site.gateway
        for key in ("memberId", "senderId"):
            values = [member[key] for member in shown.values()]
            assert len(set(values)) == len(values), f"{key} is not unique"


def test_by_psk_and_by_certificate(lab):
    log = lab["sr"].log("charon")
    assert "'blue1.example.net' with pre-shared key successful" in log
    assert "'blue2.example.net' with ED25519 successful" in log
    assert {"blue1", "blue2"} <= set(lab.registered("blue"))


def test_ike_sas_are_childless(lab):
    assert "INSTALLED" not in lab["sr"].swanctl("--list-sas")


def nothing_installed(host):
    devices = [link["ifname"] for link in host.ip_json("link show type gre")]
    return not host.states() and not host.policies() and not devices


def refused(lab, group_id, notify, reason, since):
    """Both sides tell that the outsider is refused, and the S/R why."""
    line = lab["sr"].wait_for_log(
        "charon", f"for group-ID {group_id} refused with {notify}", since[0])
    assert "outsider.example.net" in line and reason in line
    lab["outsider"].wait_for_log("charon", notify, since[1])
    assert nothing_installed(lab["outsider"])


def log_sizes(lab):
    return [lab[host].log_size("charon") for host in ("sr", "outsider")]


def test_unauthorised_identity_is_refused(lab):
    refused(lab, 100, "AUTHORIZATION_FAILED", "matches none of",
            log_sizes(lab))
    assert "outsider" not in lab.registered("blue")


def test_unknown_group_is_refused(lab):
    since = log_sizes(lab)
    text = member_swanctl(lab.site("outsider"), lab.network)
    lab.reconfigure("outsider", text.replace("id = 100", "id = 999"))
    try:
        refused(lab, 999, "INVALID_GROUP_ID", "", since)
    finally:
        lab.restore("outsider")


def test_wrong_credential_is_refused_and_groups_come_and_go(lab):
    """A group added by a reload that wants certificates refuses a PSK."""
    since = log_sizes(lab)
    strict = ("id = 300", "members = outsider.example.net")
    sr_groups = sr_swanctl(lab.network).rstrip().removesuffix("}")
    site = lab.site("outsider")
    member = member_swanctl(site, lab.network, groups=[])
    try:
        lab.reconfigure("sr", sr_groups + section(
            "strict", "role = gcks", "credential = pubkey", *strict) + "}")
        lab.reconfigure("outsider", member.replace("groups {", (
            "groups {\nstrict {\n role = member\n id = 300\n gcks = sr\n}\n")))
        refused(lab, 300, "AUTHORIZATION_FAILED", "pubkey", since)

        lab.reconfigure("sr", sr_groups + section(
            "strict", "role = gcks", *strict) + "}")
        wait_for(lambda: "outsider" in lab.registered("strict"),
                 "the outsider to be registered once a PSK will do")
    finally:
        lab.restore("sr")
        lab.restore("outsider")
    wait_for(lambda: nothing_installed(lab["outsider"]),
             "the outsider to have nothing left of the group")
    wait_for(lambda: "strict" not in
             lab["sr"].bgp_json("show bgp group-vpn")["groups"],
             "the S/R to have given up the group")
