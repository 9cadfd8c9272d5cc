# SPDX-License-Identifier: GPL-2.0-or-later
"""The first group of README.md, as it stands there, comes up.

Three hosts whose only route is a default one; the second site's files are the
first one's with the names and numbers changed, as the text says.
"""

import re

from lab import SOURCE, Lab, wait_for

ROUTER = "198.51.100.1"
TO_SITE2 = {"site1": "site2", "203.0.113.11": "203.0.113.12",
            "10.1.0": "10.2.0", "65001": "65002"}


def blocks():
    """The indented blocks of the section, in their order."""
    text = (SOURCE / "README.md").read_text()
    section = text.partition("\n## A first group\n")[2].partition("\n## ")[0]
    found = re.findall(r"(?:^    .*\n|(?<=\n)\n(?=    ))+", section, re.M)
    return [re.sub(r"^    ", "", block, flags=re.M).strip("\n") + "\n"
            for block in found]


def for_site2(text):
    for old, new in TO_SITE2.items():
        text = text.replace(old, new)
    return text


def with_site2(text, pattern):
    """The S/R's file, with what the pattern matches once more for site 2."""
    return re.sub(pattern, lambda m: m[0] + for_site2(m[0]), text, flags=re.M)


def attach(lab, host, router, address):
    lab.link(router, f"to-{host.name}", host, "eth0")
    router.setup(f"addr add {ROUTER}/32 dev to-{host.name}",
                 f"route add {address} dev to-{host.name}")
    host.setup(f"addr add {address}/32 dev eth0",
               f"route add {ROUTER} dev eth0",
               f"route add default via {ROUTER} src {address}")


def test_first_group_of_the_readme(request):
    (_, sr_swanctl, sr_frr, vrf, swanctl, frr) = blocks()[:6]
    with Lab() as lab:
        router = lab.router("backbone")
        sr = lab.host("sr")
        attach(lab, sr, router, "203.0.113.1")
        sr.write("/etc/swanctl/swanctl.conf", with_site2(
            sr_swanctl, r"^ *ike-site1 .*\n.*\n"))
        sr.write("/etc/frr/frr.conf", with_site2(
            sr_frr, r"^ *neighbor 203\.0\.113\.11 .*\n"))
        for number, change in ((1, str), (2, for_site2)):
            site = lab.host(f"site{number}")
            attach(lab, site, router, f"203.0.113.1{number}")
            end = lab.end_host(f"end{number}")
            lab.link(site, "eth1", end, "eth0")
            end.setup(f"addr add 10.{number}.0.10/24 dev eth0",
                      f"route add default via 10.{number}.0.1")
            site.write("/etc/swanctl/swanctl.conf", change(swanctl))
            site.write("/etc/frr/frr.conf", change(frr))
        lab.wire()
        lab["site1"].run("sh", "-ec", vrf)
        lab["site2"].run("sh", "-ec", for_site2(vrf))
        try:
            for host in lab.hosts:
                host.start()
            check(lab)
        except BaseException:
            lab.collect(request.node.name)
            raise


def check(lab):
    site = lab["site1"]

    def up():
        groups = site.bgp_json("show bgp group-vpn blue").get("groups", {})
        return groups.get("blue", {}).get("state") == "up"

    def ready():
        members = site.bgp_json("show bgp group-vpn blue members")
        return [m["state"] for m in members.get("members", [])] == ["ready"]

    # BGP waits as long as it does for an operator: connect retry is 120 s.
    wait_for(up, "State: up at site 1", 300)
    wait_for(ready, "site 2 ready at site 1", 300)
    wait_for(lambda: lab["end1"].ping("10.2.0.10") == 3,
             "site 1's LAN to reach site 2's", 60)
    wait_for(lambda: site.run("ip", "vrf", "exec", "blue", "ping", "-c", "1",
                              "10.2.0.1"), "site 1 to reach site 2")
