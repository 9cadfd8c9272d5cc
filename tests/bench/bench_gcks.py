#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a GCKS does per second, and what a rekey costs it: make bench-gcks.

Two hosts of the lab on the machine's own kernel: "sr" with the charon that is
measured, "load" with the initiators (groupvpn_bench_plugin.c).  strongSwan's
load-tester fakes the IPsec kernel on both, so that CHILD_SAs cost no netlink.
Prints figures, the baseline from the same run where there is one, and ratios;
doc/bench.md explains them.
"""

import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

from lab import BUILD, Lab, LabError, wait_for
from sites import section
from test_management import counters, ctl

TOTAL = int(os.environ.get("BENCH_TOTAL", 1000))
SIZES = (10, 100, 1000, 10000)
AT_ONCE = 64
ROUNDS = 3
SR, LOAD = "192.0.2.1", "192.0.2.2"
INITIATORS = "10.1.0.0/16"
RESULT = "/run/bench-result"
ETHERNET = 14

CHARON = """
charon-systemd {{
    dos_protection = no
    reuse_ikesa = no
    ikesa_table_size = 4096
    ikesa_table_segments = 16
    filelog {{ lab {{ path = /var/log/charon.log
        default = 0 }} }}
    plugins {{
        load-tester {{
            enable = yes
            fake_kernel = yes
            initiators = 0
        }}
        groupvpn-bench {{
            remote = {remote}
            kind = {kind}
            group = 100
            total = {total}
            at_once = {at_once}
            result = {result}
        }}
    }}
}}
"""
SECRETS = 'secrets {\n    ike { secret = "one for all" }\n}\n'
CONNECTION = """
connections {{
    initiators {{
        version = 2
        local_addrs = 192.0.2.1
        proposals = aes256-sha256-x25519
        childless = {childless}
        mobike = no
        local {{ auth = psk
                id = sr.example.net }}
        remote {{ auth = psk }}
        {children}
    }}
}}
"""
CHILDREN = "children { net { esp_proposals = aes256gcm16 } }"
GROUP = """
groups {
    blue {
        id = 100
        role = gcks
        members = *.example.net
    }
}
"""


class Bench:
    """The two hosts, set up for one kind of initiator."""

    def __init__(self, kind, total, store=True):
        self.kind = kind
        self.total = total
        self.lab = Lab()
        self.lab.flavour()
        for plugin in ("tests/bench/libstrongswan-load-tester.so",
                       ".libs/libstrongswan-groupvpn-bench.so"):
            shutil.copy((BUILD / plugin).resolve(),
                        self.lab.directory / "flavour-normal" / "plugins")
        self.sr = self.host("sr", store)
        self.load = self.host("load", store)
        self.lab.link(self.sr, "wan", self.load, "wan")
        self.sr.setup(f"addr add {SR}/24 dev wan",
                      f"route add {INITIATORS} via {LOAD}")
        self.load.setup(f"addr add {LOAD}/24 dev wan",
                        f"route add local {INITIATORS} dev lo")
        self.lab.wire()
        self.sr.write("/etc/swanctl/swanctl.conf", SECRETS + (
            CONNECTION.format(childless="force", children="") + GROUP
            if kind == "registration" else
            CONNECTION.format(childless="never", children=CHILDREN)))
        self.load.write("/etc/swanctl/swanctl.conf", SECRETS)
        for host in (self.sr, self.load):
            host.charon.start()
            host.load_swanctl()

    def host(self, name, store):
        host = self.lab.host(name)
        host.write("/etc/strongswan.d/lab.conf", CHARON.format(
            remote=SR, kind=self.kind, total=self.total,
            at_once=AT_ONCE, result=RESULT))
        # A member's plugin would refuse the rekeys of a group it has not.
        for plugin, on, *options in (
                ("load-tester", True),
                ("groupvpn", name == "sr",
                 *([] if store else ["store = none"])),
                ("groupvpn-bench", name == "load")):
            host.write(f"/etc/strongswan.d/charon/{plugin}.conf", section(
                plugin, f"load = {'yes' if on else 'no'}", *options))
        return host

    def stat(self, number):
        pid = self.sr.charon.process.pid
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        return int(text.rsplit(")", 1)[1].split()[number - 3])

    def cpu(self):
        """Seconds of CPU time that the charon under test has used."""
        return (self.stat(14) + self.stat(15)) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """Octets resident."""
        return self.stat(24) * os.sysconf("SC_PAGE_SIZE")

    def sent(self):
        """Octets of IP that it sent."""
        with self.sr.entered():
            text = pathlib.Path("/proc/thread-self/net/dev").read_text()
        fields = text.split("wan:")[1].split()
        return int(fields[8]) - ETHERNET * int(fields[9])

    def run(self):
        """Lets the initiators go; figures for one of them."""
        cpu, memory, sent = self.cpu(), self.memory(), self.sent()
        self.load.run("swanctl", "--reload-settings")
        result = self.load.outside(RESULT)
        wait_for(lambda: result.exists() and result.read_text(),
                 f"{self.total} times {self.kind}", 60)
        done, failed, milliseconds = result.read_text().split()
        if int(failed):
            raise LabError(f"{failed} of {self.total} failed, says charon: "
                           + self.load.log("charon")[-2000:])
        return {"per second": int(done) / int(milliseconds) * 1e3,
                "cpu": (self.cpu() - cpu) / self.total * 1e6,
                "memory": (self.memory() - memory) / self.total,
                "octets": (self.sent() - sent) / self.total}

    def rekey(self):
        """Seconds until all have acknowledged, CPU seconds, octets."""
        def acknowledged():
            return counters(self.sr, "blue")["rekeys-acknowledged"]
        before = acknowledged()
        cpu, sent, began = self.cpu(), self.sent(), time.monotonic()
        ctl(self.sr, "rekey", "blue")
        wait_for(lambda: acknowledged() - before >= self.total,
                 "all to acknowledge", 60, 0.02)
        return {"seconds": time.monotonic() - began,
                "cpu": self.cpu() - cpu, "octets": self.sent() - sent}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lab.close()


def median(rounds):
    """Of figures from several rounds, each one's median."""
    return {name: statistics.median(r[name] for r in rounds)
            for name in rounds[0]}


def row(text, figure, baseline=None):
    shown = [f"{f:12,.{0 if f >= 100 else 1}f}" for f in (figure, baseline)
             if f is not None]
    if baseline is not None:
        shown.append(f"{figure / baseline:8.2g}")
    print(f"{text:52}{''.join(shown)}", flush=True)


def heading(text, *columns):
    print(f"\n{text:52}{''.join(f'{c:>12}' for c in columns[:2])}"
          f"{''.join(f'{c:>8}' for c in columns[2:])}")


def set_ups(total):
    """Rounds of all kinds one after the other: what disturbs the machine for
    a while disturbs all."""
    kinds = {"child": ("child", True), "store": ("registration", True),
             "none": ("registration", False)}
    rounds = {name: [] for name in kinds}
    rekeys = []
    for _ in range(ROUNDS):
        for name, (kind, store) in kinds.items():
            with Bench(kind, total, store) as bench:
                rounds[name].append(bench.run())
                if name == "store":
                    rekeys.append(bench.rekey())
    base = median(rounds["child"])
    heading(f"{total} set-ups, median of {ROUNDS} rounds", "figure",
            "baseline", "ratio")
    for name, text in (("store", "registrations"),
                       ("none", "registrations, store = none")):
        got = median(rounds[name])
        row(f"{text} per second", got["per second"], base["per second"])
        row("  CPU of the GCKS for each, microseconds", got["cpu"], base["cpu"])
        row("  octets sent to each", got["octets"], base["octets"])
        row("  octets of memory for each", got["memory"], base["memory"])
    print("baseline: charon's own set-ups of an IKE_SA and a CHILD_SA")
    return median(rekeys)


def messages(total, rekey):
    """GSA_REKEY from common/ against what in-band pushes take."""
    octets = rekey["octets"] / total
    heading(f"in-band rekey of {total} members", "figure")
    row("seconds until all have acknowledged", rekey["seconds"])
    row("CPU of the GCKS, milliseconds", rekey["cpu"] * 1e3)
    row("octets of IP that the GCKS sent", rekey["octets"])
    row("  for each member", octets)
    out = subprocess.run([BUILD / "tests/bench/bench_rekey", *map(str, SIZES)],
                         text=True, check=True, capture_output=True).stdout
    lines = [list(map(float, line.split())) for line in out.splitlines()]
    heading("octets of new data keys, one for all", "GSA_REKEY", "in-band",
            "ratio")
    for members, data, *_ in lines:
        row(f"  {members:.0f} members", data, octets * members)
    heading("octets of an eviction with key tree and data keys", "GSA_REKEY",
            "in-band", "ratio")
    for members, _, _, keys, evict, *_ in lines:
        row(f"  {members:.0f} members, {keys:.0f} wrapped keys", evict,
            octets * members)
    heading("CPU of making the messages, microseconds", "GSA_REKEY", "in-band",
            "ratio")
    for members, _, data, _, _, evict, _, each in lines:
        row(f"  {members:.0f} members, new data keys", data, each)
        row(f"  {members:.0f} members, an eviction", evict, each)
    print("in-band octets: IP packets as measured above, for each member;\n"
          "in-band CPU: encoding and wrapping alone, without IKE.")


def main():
    print(f"{os.cpu_count()} CPUs, {AT_ONCE} initiators at once")
    messages(TOTAL, set_ups(TOTAL))


if __name__ == "__main__":
    sys.exit(main())
