# SPDX-License-Identifier: GPL-2.0-or-later
"""Route reflectors that know nothing of groups, between members and the S/R:
FRR without the module, BIRD 2 and GoBGP, each with a member behind it.

They are neighbours of another AS, marked "transit" at the S/R; what they are
given is opened on the other side as it was sealed.
"""

import contextlib
import subprocess

import pytest

from kept import report
from lab import wait_for
from sites import (SR_ADDRESS, SR_AS, Network, Site, SiteLab, member_frr,
                   sr_frr)
from test_paths import configured, unicast
from test_restart import everybody_reaches
from test_static import BEHIND, run_with, transit

# Each of its own: none takes what has its own in the path.
FOREIGN_AS = {"192.0.2.6": 64512, "192.0.2.10": 64513, "192.0.2.14": 64514}
SITES = {"viafrr": "192.0.2.6", "viabird": "192.0.2.10",
         "viagobgp": "192.0.2.14"}


def frr_text(asn, address, *sites):
    lines = [f"hostname foreign\n!\nrouter bgp {asn}",
             f" bgp router-id {address}",
             " no bgp ebgp-requires-policy", " no bgp default ipv4-unicast"]
    neighbors = {SR_ADDRESS: SR_AS} | {s.gateway: s.asn for s in sites}
    for neighbor, number in neighbors.items():
        lines += [f" neighbor {neighbor} remote-as {number}",
                  f" neighbor {neighbor} ebgp-multihop",
                  f" neighbor {neighbor} timers 3 9",
                  f" neighbor {neighbor} timers connect 2",
                  f" neighbor {neighbor} advertisement-interval 0"]
    return "\n".join([*lines, " address-family ipv6 vpn",
                      *(f"  neighbor {n} activate" for n in neighbors),
                      " exit-address-family", "exit", "!", ""])


def bird_text(address, site):
    return f"""
log stderr all;
router id {address};
protocol device {{ }}
vpn6 table groups;
template bgp neighbor_of {{
    local {address} as {FOREIGN_AS[address]};
    multihop;
    hold time 9;
    connect retry time 2;
    connect delay time 1;
    error wait time 1, 4;
    vpn6 mpls {{
        table groups;
        import all;
        export all;
        next hop keep;
        extended next hop yes;
    }};
}}
protocol bgp sr from neighbor_of {{ neighbor {SR_ADDRESS} as {SR_AS}; }}
protocol bgp site from neighbor_of {{ neighbor {site.gateway} as {site.asn}; }}
"""


def gobgp_text(address, site):
    neighbors = "".join(f"""
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{neighbor}"
    peer-as = {asn}
  [neighbors.transport.config]
    local-address = "{address}"
  [neighbors.ebgp-multihop.config]
    enabled = true
    multihop-ttl = 64
  [neighbors.timers.config]
    hold-time = 9
    keepalive-interval = 3
    connect-retry = 2
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "l3vpn-ipv6-unicast"
""" for neighbor, asn in ((SR_ADDRESS, SR_AS), (site.gateway, site.asn)))
    return f"""
[global.config]
  as = {FOREIGN_AS[address]}
  router-id = "{address}"
  local-address-list = ["{address}"]
{neighbors}"""


class ForeignLab(SiteLab):
    """Sites behind a reflector each, and one that has the S/R as neighbour."""

    def __init__(self):
        super().__init__(Network(groups={"blue": 100}, sites=[
            Site("direct", {"blue": "10.1.0"}),
            *(Site(name, {"blue": f"10.{number}.0"}, vrfs=number != 3)
              for number, name in enumerate(SITES, 2))]))
        self.processes = []

    def make(self):
        self.build_backbone()
        self.build_sr()
        for site in self.network.sites:
            self.build_site(site)
        for name, address in SITES.items():
            self.build_reflector(name, address)
        self["sr"].write("/etc/frr/frr.conf", self.sr_text())
        self["sr"].setup("route add 192.0.2.0/24 via 192.0.2.1")
        self.wire()
        for host in self.hosts:
            host.sysctl(ipv6__conf__wan__disable_ipv6=1)

    def build_reflector(self, name, address):
        reflector = f"r-{name}"
        if name == "viafrr":
            host = self.host(reflector, self.flavour("stock", plugins=False))
            host.write("/etc/frr/frr.conf", frr_text(
                FOREIGN_AS[address], address, self.site(name)))
        else:
            host = self.router(reflector)
            text = bird_text if name == "viabird" else gobgp_text
            (self.directory / f"{reflector}.conf").write_text(
                text(address, self.site(name)))
        number = int(address.split(".")[-1])
        self.attach(host, self["b1"], f"192.0.2.{number - 1}", address)
        site = self.site(name)
        self[name].write("/etc/frr/frr.conf", member_frr(site).replace(
            f"{SR_ADDRESS} remote-as {SR_AS}", f"{address} remote-as {FOREIGN_AS[address]}"
            ).replace(SR_ADDRESS, address))

    def sr_text(self):
        direct = Network(groups={}, sites=[self.site("direct")])
        head, tail = sr_frr(direct).split(" address-family ipv6 vpn\n")
        for address in SITES.values():
            head += f""" neighbor {address} remote-as {FOREIGN_AS[address]}
 neighbor {address} ebgp-multihop
 neighbor {address} timers 3 9
 neighbor {address} timers connect 2
 neighbor {address} advertisement-interval 0
 neighbor {address} group-vpn transit
"""
            tail = f"  neighbor {address} activate\n" + tail
        return f"{head} address-family ipv6 vpn\n{tail}"

    def start_reflectors(self):
        where = self.directory
        for name, argv in (
                ("r-viabird", ("bird", "-f", "-c", where / "r-viabird.conf",
                               "-s", where / "bird.ctl",
                               "-P", where / "bird.pid")),
                ("r-viagobgp", ("gobgpd", "-t", "toml",
                                "-f", where / "r-viagobgp.conf"))):
            with open(where / f"{name}.log", "w", encoding="utf-8") as log:
                self.processes.append(self[name].popen(
                    *map(str, argv), stdout=log, stderr=subprocess.STDOUT))

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        super().close()


@pytest.fixture
def foreign(request):
    lab = ForeignLab()
    try:
        lab.make()
        lab.start_reflectors()
        lab.start()
        yield lab
        if getattr(request.node, "failed", False):
            report(lab, request.node.name)
            for name in ("r-viabird", "r-viagobgp"):
                print((lab.directory / f"{name}.log").read_text()[-2000:])
    finally:
        lab.close()


@pytest.mark.long
def test_through_reflectors_that_know_no_groups(foreign):
    lab, sr = foreign, foreign["sr"]
    lab.wait_until_up()
    sites = lab.network.sites
    for site in sites:
        for other in lab.network.others(site, "blue"):
            assert lab.answer(site, "blue", other.end_host_address("blue")) == \
                f"{other.name}.blue"
    # The S/R holds what comes against the registration all the same.
    assert not any(sum(g.get("dropped", {}).values()) for g in
                   sr.bgp_json("show bgp group-vpn")["groups"].values())
    for name in SITES:
        assert not any(lab.drops(name, "blue").values())
    running = sr.run(sr.flavour.vtysh, "-c", "show running-config")
    for address in SITES.values():
        assert f" neighbor {address} group-vpn transit\n" in running

    # Changes pass, both ways.
    for site in sites:
        host = lab[site.name]
        router = f"router bgp {site.asn}" + (" vrf blue" if site.vrfs else "")
        prefix = site.lan_prefix("blue")
        host.configure(router, "address-family ipv4 unicast",
                       f"no network {prefix}")
        for other in lab.network.others(site, "blue"):
            wait_for(lambda o=other, p=prefix: p not in lab.routes(o, "blue"),
                     f"{site.name}'s route to be gone at {other.name}")
        host.configure(router, "address-family ipv4 unicast",
                       f"network {prefix}")
    lab.wait_until_up()

    # Without the word the S/R takes none of it and gives none.
    address = SITES["viafrr"]
    sr.configure(f"router bgp {SR_AS}",
                 f"no neighbor {address} group-vpn transit")
    wait_for(lambda: lab.site("viafrr").lan_prefix("blue") not in
             lab.routes(lab.site("direct"), "blue"),
             "the S/R to refuse what is not from the gateway")
    wait_for(lambda: not lab.routes(lab.site("viafrr"), "blue"),
             "the S/R to withdraw what it gave")
    sr.configure(f"router bgp {SR_AS}",
                 f"neighbor {address} group-vpn transit")
    lab.wait_until_up()


@contextlib.contextmanager
def foreign_between(lab):
    """The outsider's bgpd, without the module, is the only neighbour that two of
    the sites have."""
    host, outsider = lab["outsider"], lab.site("outsider")
    sites = [lab.site(name) for name in BEHIND]
    usual = host.bgpd.argv
    transit(lab)
    try:
        host.bgpd.argv = usual[:usual.index("-M")]
        run_with(host, frr_text(outsider.asn, outsider.gateway, *sites))
        for site in sites:
            run_with(lab[site.name], member_frr(site).replace(
                f"{SR_ADDRESS} remote-as {SR_AS}",
                f"{SR_ADDRESS} remote-as {outsider.asn}").replace(
                    SR_ADDRESS, outsider.gateway))
        yield
    finally:
        host.bgpd.argv = usual
        for site in (*sites, outsider):
            run_with(lab[site.name], member_frr(site))
        transit(lab, "no ")


def test_a_bgpd_without_the_module_between(lab):
    """It passes on what it does not know: from site to site, to the S/R, and
    from there."""
    blue1, sr = lab["blue1"], lab["sr"]
    with foreign_between(lab):
        lab.wait_until_up()
        for name in (*BEHIND, "dual"):
            everybody_reaches(lab, name, "blue")
        assert "group-vpn" not in lab["outsider"].vtysh("show running-config")
        with configured(blue1, "network 10.99.1.0/24 route-map inner",
                        globally=("route-map inner permit 10",
                                  "set metric 77", "exit")):
            for name in ("blue2", "dual"):
                wait_for(lambda n=name: unicast(lab[n], "ipv4", "10.99.1.0/24"),
                         f"a new route at {name}")
                path, = unicast(lab[name], "ipv4", "10.99.1.0/24")
                assert path["metric"] == 77
        for name in ("blue2", "dual"):
            wait_for(lambda n=name: not unicast(lab[n], "ipv4", "10.99.1.0/24"),
                     f"its end at {name}")
            assert not lab.drops(name, "blue")["mac"]
        assert not lab["red1"].bgp("show bgp ipv6 vpn").count(":100\n")
        sr.vtysh(f"clear bgp {lab.site('outsider').gateway}")
        wait_for(lambda: not lab.routes(lab.site("dual"), "blue"),
                 "dual to lose them with the session", 10)
    lab.wait_until_up()


@pytest.mark.long
def test_a_neighbour_by_identity(own_lab):
    """A session between other addresses than the gateways'."""
    lab = own_lab(Network(groups={"blue": 100}, sites=[
        Site("one", {"blue": "10.1.0"}), Site("two", {"blue": "10.2.0"})]))
    one, sr, site = lab["one"], lab["sr"], lab.site("one")
    other = "203.0.113.201"
    for host, text in ((one, member_frr(site)), (sr, sr_frr(lab.network))):
        if host is one:
            text = text.replace(
                f" neighbor {SR_ADDRESS} ebgp-multihop\n",
                f" neighbor {SR_ADDRESS} ebgp-multihop\n"
                f" neighbor {SR_ADDRESS} update-source {other}\n")
        else:
            text = text.replace(f"neighbor {site.gateway} ",
                                f"neighbor {other} ")
        host.write("/etc/frr/frr.conf", text)
    one.setup(f"addr add {other}/32 dev lo")
    lab["b1"].setup(f"route add {other} via {site.gateway}")
    lab["b2"].setup(f"route add {other} via 198.51.100.1")
    lab.wire()
    lab.start()
    wait_for(lambda: "one" in lab.registered("blue") and
             "two" in lab.registered("blue"), "both to be registered")
    wait_for(lambda: other in sr.bgp("show bgp ipv6 vpn summary"), "a session")
    assert not lab.routes(lab.site("two"), "blue")
    sr.configure(f"router bgp {SR_AS}",
                 f"neighbor {other} group-vpn member {site.identity}")
    lab.wait_until_up()
    assert f" neighbor {other} group-vpn member {site.identity}\n" in \
        sr.vtysh("show running-config")
    # Another identity's it is not.
    sr.configure(f"router bgp {SR_AS}",
                 f"neighbor {other} group-vpn member two.example.net")
    wait_for(lambda: not lab.routes(lab.site("two"), "blue"),
             "the S/R to refuse what is not that identity's")
