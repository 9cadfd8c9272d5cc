# SPDX-License-Identifier: GPL-2.0-or-later
"""A second key server in `gcks`: when members go there, and that they return.

Two sites without bgpd, which get their routes with the keys of whichever GCKS
they are registered with. The second GCKS is at the edge of the network.
"""

import re

import pytest

from lab import wait_for
from sites import DOMAIN, Network, Site, member_swanctl, sr_swanctl
from test_management import ctl, ctl_json
from test_restart import everybody_reaches, start_charon

SITES = ("one", "two")
IN_PLACE = "is its key server now in place of"


def part(text, name):
    """A section of the second level, with what it holds."""
    return re.search(rf"^    {name} \{{\n.*?^    \}}\n", text, re.S | re.M)[0]


def configure(lab):
    """One more GCKS, and members that may use it."""
    network, backup = lab.network, lab.site("backup")

    def there(text):
        return text.replace(network.sr, backup.gateway) \
            .replace(f"sr.{DOMAIN}", backup.identity)
    text = sr_swanctl(network)
    lab["backup"].write("/etc/swanctl/swanctl.conf",
                        there(text.replace(part(text, "sites-pubkey"), "")))
    for name in SITES:
        text = member_swanctl(lab.site(name), network)
        for old, new in (("sr", "backup"), ("ike-sr", "ike-backup")):
            section = part(text, old)
            text = text.replace(section, section + there(
                section.replace(f"{old} {{", f"{new} {{", 1)))
        lab[name].write("/etc/swanctl/swanctl.conf",
                        text.replace("gcks = sr", "gcks = sr, backup"))


def members(host):
    return ctl_json(host, "list-groups", "blue")[0]["members"]


def stays_when_refused(lab):
    """With REGISTRATION_FAILED, for a claim that is too short to be allowed."""
    host = lab["one"]
    text, since = host.read("/etc/swanctl/swanctl.conf"), host.log_size("charon")
    lab.reconfigure("one", text.replace("prefixes = ", "prefixes = 64.0.0.0/2, "))
    host.wait_for_log("charon", "registration with 'sr' failed: refused with "
                      "REGISTRATION_FAILED", since)
    lab.reconfigure("one", text)
    host.wait_for_log("charon", "registered with 'sr'", since)
    log = host.log("charon", since)
    assert "trying 'sr'" in log
    assert "trying 'backup'" not in log and "is down" not in log


@pytest.mark.long
def test_members_fail_over_and_return(own_lab):
    """With keys that last nobody goes to another GCKS; when they are about to
    end all do, and come back to the first one."""
    lab = own_lab(Network(
        groups={"blue": 100},
        policy={"blue": ("lifetime = 30s", "atd = 1s", "dtd = 2s")},
        sites=[Site("one", {"blue": "10.1.0"}, bgp=False),
               Site("two", {"blue": "10.2.0"}, bgp=False),
               Site("backup", {"blue": "10.3.0"}, authorised=False,
                    bgp=False)]))
    sr, backup = lab["sr"], lab["backup"]
    configure(lab)
    lab.start()
    lab.wait_until_up()
    wait_for(lambda: members(sr) == 2 and members(backup) == 0,
             "both to be where they prefer to be")
    stays_when_refused(lab)
    since = {name: lab[name].log_size("charon") for name in SITES}
    ctl(sr, "rekey", "blue")
    assert sr.charon.stop() == 0
    for name in SITES:
        lab[name].wait_for_log("charon", IN_PLACE, since[name])
        log = lab[name].log("charon", since[name])
        before = log[:log.index(IN_PLACE)]
        # The keys of before did not end.
        assert before.count("trying 'backup'") == 1
        assert "is down" not in log
    assert members(backup) == 2
    everybody_reaches(lab, "one", "blue")

    start_charon(sr)
    for name in SITES:
        lab[name].wait_for_log("charon", "'sr' is back, returning to it from "
                               "'backup'", since[name])
    wait_for(lambda: members(sr) == 2, "both to be back")
    wait_for(lambda: members(backup) == 0, "both to have left the other")
    everybody_reaches(lab, "one", "blue")
