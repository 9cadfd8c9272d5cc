# SPDX-License-Identifier: GPL-2.0-or-later
"""Members whose certificate is revoked, or expires, after they registered."""

import time

import pytest

from lab import LabError, wait_for
from test_management import counters, ctl, monitor  # noqa: F401
from test_rekey import cut_off, group, wait_by_bgp
from test_restart import start_charon

CRL = "/etc/swanctl/x509crl/ca.crl"


def is_gone(lab, fault, events, since):
    """What is to be seen of the end of blue2, which is pubkey, everywhere."""
    events.wait("member-down", group="blue", identity="blue2.example.net",
                reason=f"certificate {fault}")
    rekey = events.wait("rekey", group="blue", reason=f"certificate {fault}")
    assert rekey["members"] == 2
    assert "refused with AUTHORIZATION_FAILED" in lab["blue2"].wait_for_log(
        "charon", f"it says: certificate {fault}", since)
    for name in ("blue1", "dual"):
        wait_for(lambda n=name: "10.2.0.0/24" not in
                 lab.routes(lab.site(n), "blue"),
                 f"the routes of blue2 to be gone at {name}")
    wait_for(lambda: not lab.routes(lab.site("blue2"), "blue"),
             "blue2 to have no routes")
    wait_for(lambda: "blue2.example.net" not in
             lab["sr"].swanctl("--list-sas"), "the IKE_SA to be closed")


def renew(lab, **options):
    """A certificate for blue2, and an IKE_SA by it."""
    lab.credentials.issue(lab["blue2"], "blue2.example.net", **options)
    lab["blue2"].reload_swanctl()
    lab["blue2"].swanctl("--terminate", "--ike", "sr", "--force", check=False)


def come_back(lab):
    """With a certificate that is good; whoever looks next finds it there."""
    since = lab["sr"].log_size("charon")
    renew(lab)
    lab["sr"].wait_for_log("charon", "'blue2.example.net' at "
                           f"{lab.site('blue2').gateway} registered", since)


def test_revoked(lab, monitor):  # noqa: F811
    sr = lab["sr"]
    since, at_sr = lab["blue2"].log_size("charon"), sr.log_size("charon")
    before = counters(sr, "blue")["certificates-void"]
    events = monitor(sr)
    try:
        sr.write(CRL, lab.credentials.revoke(lab["blue2"]))
        sr.reload_swanctl()
        is_gone(lab, "revoked", events, since)
        assert counters(sr, "blue")["certificates-void"] == before + 1
        # The certificates of others are by the same CA.
        assert {e["identity"] for e in events.events
                if e["event"] == "member-down"} == {"blue2.example.net"}
        # Nor does it come back by itself.
        sr.wait_for_log("charon", "certificate was revoked", at_sr)
        renew(lab)
        events.wait("member-up", group="blue", identity="blue2.example.net")
    finally:
        come_back(lab)
        sr.outside(CRL).unlink(missing_ok=True)
        sr.swanctl("--load-creds", "--clear")


def test_revoked_while_away(lab):
    """No IKE_SA, and none since the GCKS was started: the store knows it."""
    sr = lab["sr"]
    wait_by_bgp(lab)
    before = group(sr)
    assert before["tree-members"] == 3
    try:
        with cut_off(lab, lab.site("blue2")):
            sr.charon.kill()
            since = sr.log_size("charon")
            sr.write(CRL, lab.credentials.revoke(lab["blue2"]))
            start_charon(sr)
            sr.wait_for_log("charon", "'blue2.example.net', which is not "
                            "registered, loses its keys: certificate revoked",
                            since)
            wait_for(lambda: group(sr)["rekey-spi"] != before["rekey-spi"],
                     "a KEK that blue2 has not")
            wait_for(lambda: group(sr)["tree-members"] == 2,
                     "a tree without blue2")
            # Others that were not back yet have kept what they had.
            assert "loses its keys" not in "".join(
                line for line in sr.log("charon", since).splitlines()
                if "'blue2." not in line)
    finally:
        come_back(lab)
        sr.outside(CRL).unlink(missing_ok=True)
        sr.swanctl("--load-creds", "--clear")


@pytest.mark.long
def test_expired(lab, monitor):  # noqa: F811
    events = monitor(lab["sr"])
    since = lab["blue2"].log_size("charon")

    def is_up():
        return [e for e in events.events if e["event"] == "member-up"
                and e["group"] == "blue" and
                e["identity"] == "blue2.example.net"]

    def registers_in(seconds):
        """A slow machine needs a certificate that lasts longer."""
        end = time.time() + seconds
        renew(lab, seconds=seconds)
        wait_for(lambda: is_up() or time.time() > end, "blue2 to register")
        return is_up()
    try:
        assert registers_in(20) or registers_in(50)
        is_gone(lab, "expired", events, since)
    finally:
        come_back(lab)


def test_a_ca_that_is_not_loaded_is_no_fault(lab, monitor):  # noqa: F811
    """Between two loads of the credentials there are none."""
    sr = lab["sr"]
    events = monitor(sr)
    ca = sr.outside("/etc/swanctl/x509ca/ca.pem")
    kept = ca.read_text()
    since = sr.log_size("charon")
    try:
        ca.unlink()
        sr.swanctl("--load-creds", "--clear")
        ctl(sr, "reload")
        sr.wait_for_log("charon", "no issuer certificate found for "
                        '"CN=red1.example.net"', since)
        sr.wait_for_log("charon", "no issuer certificate found for "
                        '"CN=blue2.example.net"', since)
    finally:
        ca.write_text(kept)
        sr.swanctl("--load-creds", "--clear")
    since = sr.log_size("charon")
    ctl(sr, "reload")
    sr.wait_for_log("charon", "reached self-signed root ca", since)
    if any(e["event"] == "member-down" for e in events.events):
        raise LabError(f"members are gone: {events.events}")
