# SPDX-License-Identifier: GPL-2.0-or-later
"""A network of one S/R and sites, configured as its operator would do it.

The backbone is two routers that only forward IP, b1 with the S/R and every
other site, b2 with the rest:

    sr 192.0.2.2 -- b1 -- 198.51.100.0/30 -- b2,   site N: 203.0.113.(4N+2)/30

or, with IPv6 alone,

    sr 2001:db8::2 -- b1 -- 2001:db8:0:1::/64 -- b2,   site N: 2001:db8:1:N::2/64

Each site is its own autonomous system and has, for each of its groups, one LAN
with one end host, named SITE.GROUP, that answers with that name.
"""

import dataclasses
import json
import socket
import subprocess
import threading
import time

from lab import Lab, LabError, wait_for

SR_ADDRESS = "192.0.2.2"
SR_ADDRESS6 = "2001:db8::2"
SR_AS = 65000
DOMAIN = "example.net"

# A shorter wait for what the operator of a real network is patient with.
STRONGSWAN_TIMING = """
charon-systemd {
    retransmit_tries = 3
    retransmit_timeout = 1.0
    retransmit_base = 1.2
}
"""


CA_CONF = """
[ca]
default_ca = lab
[lab]
database = index.txt
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
rand_serial = yes
unique_subject = no
default_md = default
default_crl_days = 1
crl_extensions = crl
policy = policy
[crl]
# charon finds a list by its CA's key.
authorityKeyIdentifier = keyid:always
[policy]
commonName = supplied
"""


@dataclasses.dataclass
class Site:
    name: str
    groups: dict  # name: the LAN's /24 without its last octet, "10.1.0"
    vrfs: bool = True  # one for each group, else the default table
    credential: str = "psk"  # or "pubkey"
    authorised: bool = True
    bgp: bool = True  # else charon alone, with the LANs' prefixes in swanctl.conf
    # Lines for a group's section, by group.
    options: dict = dataclasses.field(default_factory=dict)
    number: int = 0
    flavour: str = "normal"
    ipv6: bool = False  # as the network says

    @property
    def identity(self):
        return f"{self.name}.{DOMAIN}"

    @property
    def gateway(self):
        if self.ipv6:
            return f"2001:db8:1:{self.number}::2"
        return f"203.0.113.{4 * self.number + 2}"

    @property
    def router(self):
        if self.ipv6:
            return f"2001:db8:1:{self.number}::1"
        return f"203.0.113.{4 * self.number + 1}"

    @property
    def sr(self):
        return SR_ADDRESS6 if self.ipv6 else SR_ADDRESS

    @property
    def asn(self):
        return SR_AS + self.number

    def vrf(self, group):
        return group if self.vrfs else None

    def lan_prefix(self, group):
        return f"{self.groups[group]}.0/24"

    def end_host_address(self, group):
        return f"{self.groups[group]}.10"


@dataclasses.dataclass
class Network:
    groups: dict  # name: group-ID
    sites: list
    # Lines for a group's section at the GCKS, by group.
    policy: dict = dataclasses.field(default_factory=dict)
    sr_flavour: str = "normal"
    # Options of lab.Flavour, by the name that sites and sr_flavour use.
    flavours: dict = dataclasses.field(default_factory=dict)
    # The backbone has IPv6 and no IPv4.
    ipv6: bool = False

    def __post_init__(self):
        for number, site in enumerate(self.sites, 1):
            site.number = number
            site.ipv6 = self.ipv6

    @property
    def sr(self):
        return SR_ADDRESS6 if self.ipv6 else SR_ADDRESS

    def members(self, group):
        return [s for s in self.sites if group in s.groups and s.authorised]

    def others(self, site, group):
        return [s for s in self.members(group) if s is not site]


class Credentials:
    """A CA, and a key with a certificate for whoever asks; made with openssl."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        self.key("ca")
        self.openssl("req", "-x509", "-new", "-key", "ca.key", "-out", "ca.pem",
                     "-subj", "/CN=groupvpn lab CA", "-days", "2")
        (directory / "ca.conf").write_text(CA_CONF)
        (directory / "index.txt").touch()

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.directory, check=True,
                       capture_output=True)

    def key(self, name, algorithm="ed25519"):
        options = {"ed25519": ["-algorithm", "ed25519"],
                   "ecdsa": ["-algorithm", "EC", "-pkeyopt",
                             "ec_paramgen_curve:P-256"]}[algorithm]
        self.openssl("genpkey", *options, "-out", f"{name}.key")

    def issue(self, host, identity, algorithm="ed25519", names=(),
              seconds=None):
        """Puts key, certificate and CA certificate where swanctl looks.

        names are subjectAltNames beside the identity. The certificate is valid
        for two days, or for some seconds.
        """
        name = host.name
        self.key(name, algorithm)
        self.openssl("req", "-new", "-key", f"{name}.key", "-out", f"{name}.csr",
                     "-subj", f"/CN={identity}")
        (self.directory / f"{name}.ext").write_text(
            "subjectAltName=" +
            ",".join(f"DNS:{name}" for name in (identity, *names)) + "\n")
        expiry = ["-days", "2"]
        if seconds is not None:
            expiry = ["-enddate", time.strftime(
                "%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))]
        self.openssl("ca", "-batch", "-notext", "-config", "ca.conf",
                     "-in", f"{name}.csr", *expiry,
                     "-extfile", f"{name}.ext", "-out", f"{name}.pem")
        for source, target in ((f"{name}.key", "private/host.pem"),
                               (f"{name}.pem", "x509/host.pem"),
                               ("ca.pem", "x509ca/ca.pem")):
            host.write(f"/etc/swanctl/{target}",
                       (self.directory / source).read_text(), 0o600)

    def revoke(self, host):
        """A revocation list with a host's certificate, among others'."""
        self.openssl("ca", "-config", "ca.conf", "-revoke", f"{host.name}.pem")
        self.openssl("ca", "-gencrl", "-config", "ca.conf", "-out", "ca.crl")
        return (self.directory / "ca.crl").read_text()


def indent(text, by="    "):
    return "".join(by + line + "\n" for line in text.splitlines())


def section(name, *lines):
    return f"{name} {{\n{indent(chr(10).join(lines))}}}\n"


def secret_of(site):
    return f"a long secret of {site.name} and the S/R"


def member_swanctl(site, network, groups=None):
    """A site's swanctl.conf."""
    groups = site.groups if groups is None else groups
    if site.credential == "psk":
        local = f"local {{\n    auth = psk\n    id = {site.identity}\n}}"
        remote = f"remote {{\n    auth = psk\n    id = sr.{DOMAIN}\n}}"
    else:
        local = "local {\n    auth = pubkey\n    certs = host.pem\n" \
                f"    id = {site.identity}\n}}"
        remote = f"remote {{\n    auth = pubkey\n    id = sr.{DOMAIN}\n}}"
    text = section("connections", section(
        "sr", "version = 2", f"local_addrs = {site.gateway}",
        f"remote_addrs = {site.sr}", "childless = force",
        "dpd_delay = 3s", local, remote))
    if site.credential == "psk":
        text += section("secrets", section(
            "ike-sr", f"id = sr.{DOMAIN}", f'secret = "{secret_of(site)}"'))
    return text + section("groups", *(
        section(group, f"id = {network.groups[group]}", "role = member",
                "gcks = sr",
                *([f"vrf = {site.vrf(group)}"] if site.vrf(group) else []),
                *([] if site.bgp else [f"prefixes = {site.lan_prefix(group)}"]),
                *site.options.get(group, ()))
        for group in groups))


def member_frr(site):
    """A site's frr.conf."""
    text = f"""hostname {site.name}
!
router bgp {site.asn}
{f" bgp router-id 198.18.0.{site.number}" if site.ipv6 else "!"}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 neighbor {site.sr} remote-as {SR_AS}
 neighbor {site.sr} ebgp-multihop
 neighbor {site.sr} timers 3 9
 neighbor {site.sr} timers connect 2
 neighbor {site.sr} advertisement-interval 0
 address-family ipv6 vpn
  neighbor {site.sr} activate
 exit-address-family
"""
    for group in site.groups:
        if site.vrf(group):
            text += f"exit\n!\nrouter bgp {site.asn} vrf {site.vrf(group)}\n"
        text += f""" group-vpn member {group}
 address-family ipv4 unicast
  network {site.lan_prefix(group)}
 exit-address-family
"""
    return text + "exit\n!\n"


def sr_swanctl(network, groups=None):
    """The S/R's swanctl.conf."""
    groups = network.groups if groups is None else groups
    connection = ("version = 2", f"local_addrs = {network.sr}",
                  "childless = force", "dpd_delay = 3s")
    text = section(
        "connections",
        section("sites-psk", *connection,
                f"local {{\n    auth = psk\n    id = sr.{DOMAIN}\n}}",
                "remote {\n    auth = psk\n}"),
        section("sites-pubkey", *connection,
                "local {\n    auth = pubkey\n    certs = host.pem\n"
                f"    id = sr.{DOMAIN}\n}}",
                "remote {\n    auth = pubkey\n    cacerts = ca.pem\n}"))
    text += section("secrets", *(
        section(f"ike-{site.name}", f"id = {site.identity}",
                f'secret = "{secret_of(site)}"')
        for site in network.sites if site.credential == "psk"))
    return text + section("groups", *(
        section(group, f"id = {network.groups[group]}", "role = gcks",
                "members = " + ", ".join(
                    s.identity for s in network.members(group)),
                *network.policy.get(group, ()))
        for group in groups))


def sr_frr(network):
    """The S/R's frr.conf."""
    lines = [f"hostname sr\n!\nrouter bgp {SR_AS}",
             " bgp router-id 198.18.0.254" if network.ipv6 else "!",
             " no bgp ebgp-requires-policy",
             " no bgp default ipv4-unicast",
             " group-vpn reflector"]
    sites = [site for site in network.sites if site.bgp]
    for site in sites:
        lines += [f" neighbor {site.gateway} remote-as {site.asn}",
                  f" neighbor {site.gateway} ebgp-multihop",
                  f" neighbor {site.gateway} timers 3 9",
                  f" neighbor {site.gateway} timers connect 2",
                  f" neighbor {site.gateway} advertisement-interval 0"]
    lines.append(" address-family ipv6 vpn")
    lines += [f"  neighbor {s.gateway} activate" for s in sites]
    return "\n".join(lines) + "\n exit-address-family\nexit\n!\n"


class SiteLab(Lab):
    """The lab of a Network: hosts by name, and what they should come to."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        for name, options in network.flavours.items():
            self.flavour(name, **options)
        self.credentials = Credentials(self.directory / "credentials")

    def site(self, name):
        return next(s for s in self.network.sites if s.name == name)

    @property
    def backbone(self):
        return [self["b1"], self["b2"]]

    def end_host(self, site, group):
        return super().end_host(f"{site.name}.{group}")

    def far(self, site, group):
        """The end host of a site's LAN."""
        return self[f"{site.name}.{group}"]

    # Building

    def build_backbone(self):
        b1, b2 = self.router("b1"), self.router("b2")
        for router in (b1, b2):
            if self.network.ipv6:
                router.sysctl(ipv6__conf__all__forwarding=1)
            else:
                router.sysctl(ipv6__conf__all__disable_ipv6=1,
                              ipv6__conf__default__disable_ipv6=1)
        self.link(b1, "b2", b2, "b1")
        if self.network.ipv6:
            b1.setup("addr add 2001:db8:0:1::1/64 dev b2 nodad",
                     "route add 2001:db8:1::/48 via 2001:db8:0:1::2")
            b2.setup("addr add 2001:db8:0:1::2/64 dev b1 nodad",
                     "route add 2001:db8::/32 via 2001:db8:0:1::1")
        else:
            b1.setup("addr add 198.51.100.1/30 dev b2")
            b2.setup("addr add 198.51.100.2/30 dev b1",
                  "route add 192.0.2.0/24 via 198.51.100.1")

    def build_sr(self):
        sr = self.host("sr", self.flavour(self.network.sr_flavour))
        router = "2001:db8::1" if self.network.ipv6 else "192.0.2.1"
        self.attach(sr, self["b1"], router, self.network.sr)
        self.credentials.issue(sr, f"sr.{DOMAIN}", "ecdsa")
        sr.write("/etc/frr/frr.conf", sr_frr(self.network))
        sr.write("/etc/swanctl/swanctl.conf", sr_swanctl(self.network))

    def attach(self, host, router, router_address, address):
        port = f"to-{host.name}"[:15]
        self.link(router, port, host, "wan")
        if self.network.ipv6:
            router.setup(f"addr add {router_address}/64 dev {port} nodad")
            # zebra wants more than a default route to a BGP neighbour.
            sites = address == self.network.sr
            host.setup(f"addr add {address}/64 dev wan nodad",
                       f"route add default via {router_address}",
                       f"route add 2001:db8:{'1::/48' if sites else ':/64'} "
                       f"via {router_address}")
            return
        router.setup(f"addr add {router_address}/30 dev {port}")
        host.setup(f"addr add {address}/30 dev wan",
                f"route add 203.0.113.0/24 via {router_address}")
        if address != SR_ADDRESS:
            host.setup(f"route add 192.0.2.0/24 via {router_address}")
        if router.name == "b2":
            self["b1"].setup(f"route add {address} via 198.51.100.2")
        elif address != SR_ADDRESS:
            self["b2"].setup(f"route add {address} via 198.51.100.1")

    def build_site(self, site):
        host = self.host(site.name, self.flavour(site.flavour))
        router = self["b1"] if site.number % 2 else self["b2"]
        self.attach(host, router, site.router, site.gateway)
        for index, group in enumerate(site.groups, 1):
            self.build_lan(host, site, group, 1000 + index)
        if site.credential == "pubkey":
            self.credentials.issue(host, site.identity)
        host.write("/etc/frr/frr.conf", member_frr(site))
        host.write("/etc/swanctl/swanctl.conf",
                   member_swanctl(site, self.network))

    def build_lan(self, host, site, group, table):
        end_host = self.end_host(site, group)
        lan = f"lan-{group}"[:15]
        self.link(host, lan, end_host, "eth0")
        vrf = site.vrf(group)
        if vrf:
            host.setup(f"link add {vrf} type vrf table {table}",
                    f"link set dev {vrf} up",
                    f"link set dev {lan} master {vrf}")
        host.setup(f"addr add {site.groups[group]}.1/24 dev {lan}")
        end_host.setup(f"addr add {site.end_host_address(group)}/24 dev eth0",
                    f"route add default via {site.groups[group]}.1")

    # Running

    def host(self, name, flavour=None):
        host = super().host(name, flavour)
        host.write("/etc/strongswan.d/timing.conf", STRONGSWAN_TIMING)
        host.write("/etc/strongswan.d/charon/groupvpn.conf",
                   "groupvpn {\n    load = yes\n    retry_min = 1s\n"
                   "    retry_max = 4s\n}\n")
        return host

    def start(self, say=lambda text: None):
        for host in self.hosts:
            frr = all(s.bgp for s in self.network.sites if s.name == host.name)
            say(f"starting {'zebra, bgpd and ' * frr}charon on {host.name}")
            host.start(frr)

    def routes(self, site, group):
        """The prefixes that a site's kernel has over the group's device."""
        return {prefix for prefix, device in self[site.name].routes()
                if device == f"gv-{group}"}

    def is_complete(self, site, group):
        """Whether a site has the routes to all others in the group."""
        expected = {o.lan_prefix(group)
                    for o in self.network.others(site, group)}
        got = self.routes(site, group)
        if got != expected:
            raise LabError(f"{site.name} has {sorted(got)}, "
                           f"not {sorted(expected)}")
        return True

    def wait_until_up(self, timeout=180, say=lambda text: None):
        for group in self.network.groups:
            for site in self.network.members(group):
                wait_for(lambda s=site, g=group: self.is_complete(s, g),
                         f"the routes of group {group} at {site.name}",
                         timeout)
                say(f"{site.name} has the routes of group {group}")

    # What a test may need to be over, for the network as it is described.

    def charon_shows(self, what, group):
        """What the S/R's charon says: unlike bgpd it has forgotten, after its
        restart, what was before."""
        return json.loads(self["sr"].vtysh(f"show group-vpn {what} {group} json"))

    def wait_until_no_epoch_is_due(self, *groups, timeout=240):
        """Until all members are registered at the S/R's charon, and no new
        epoch waits to begin: those that come and leave cause one, later."""
        for group in groups:
            wait_for(lambda g=group: self.is_no_epoch_due(g),
                     f"no epoch of {group} to be due", timeout)

    def is_no_epoch_due(self, group):
        told, = self.charon_shows("groups", group)
        if told["members"] != len(self.network.members(group)) or \
                told["next-epoch"] <= 30:
            raise LabError(f"{told['members']} members, next epoch in "
                           f"{told['next-epoch']} s")
        return True

    def wait_until_settled(self, *groups, timeout=240):
        """The same, and until one epoch and one route epoch are left: while
        they change, for half a minute, there are states and routes of two."""
        for group in groups:
            wait_for(lambda g=group: self.is_settled(g),
                     f"changes of group {group} to be over", timeout)

    def is_settled(self, group):
        self.is_no_epoch_due(group)
        epochs = self.charon_shows("sas", group)
        shown = self["sr"].bgp_json("show bgp group-vpn")["groups"][group]
        if len(epochs) != 1 or shown["routesReflected"] != \
                len(self.network.members(group)):
            raise LabError(f"{len(epochs)} epochs, {shown['routesReflected']} "
                           "routes reflected")
        return True

    def registered(self, group):
        """What the S/R shows of a group's members, by the site's name: what its
        charon says now. bgpd goes on with what one that was restarted has not
        repeated yet."""
        def in_touch():
            shown = self["sr"].bgp_json("show bgp group-vpn")
            return shown["controlSocket"]["state"] == "up"
        wait_for(in_touch, "the S/R's bgpd to be connected to charon")
        shown = self["sr"].bgp_json(f"show bgp group-vpn {group} members")
        return {m["identity"].split(".")[0]: m for m in shown["members"]
                if m["state"] != "not repeated since charon restarted"}

    def wait_until_registered(self):
        """All members: what they are reached by may be from before."""
        for group in self.network.groups:
            names = {s.name for s in self.network.members(group)}
            wait_for(lambda g=group, n=names: set(self.registered(g)) == n,
                     f"{sorted(names)} alone to be registered for {group}", 180)

    def drops(self, host, group=None):
        """The counters of dropped routes, by reason."""
        shown = self[host].bgp_json("show bgp group-vpn")
        if group is None:
            return shown["dropped"]
        return shown["groups"][group]["dropped"]

    def reconfigure(self, host, text):
        """Another swanctl.conf, and a reload."""
        self[host].write("/etc/swanctl/swanctl.conf", text)
        self[host].reload_swanctl()

    def restore(self, host):
        """The swanctl.conf that the network describes."""
        if host == "sr":
            self.reconfigure(host, sr_swanctl(self.network))
        else:
            self.reconfigure(host, member_swanctl(self.site(host), self.network))

    def register_again(self, name):
        """The operator's way to make a member ask again before it has to. Where
        there is no IKE_SA at the moment the next attempt is about to begin."""
        def is_ended():
            said = self[name].swanctl("--terminate", "--ike", "sr", check=False)
            if "successfully" in said or "no matching" in said:
                return True
            raise LabError(said)
        wait_for(is_ended, f"the IKE_SA of {name} to end")

    def transfer(self, group, source, target, size):
        """TCP from one site's LAN to another's; returns how much arrived."""
        address = target.end_host_address(group)
        server = self.far(target, group).socket(kind=socket.SOCK_STREAM)
        client = self.far(source, group).socket(kind=socket.SOCK_STREAM)
        received = []
        with server, client:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("", 8000))
            server.listen()
            server.settimeout(120)
            client.settimeout(120)

            def sink():
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(120)
                    while part := connection.recv(65536):
                        received.append(len(part))
            thread = threading.Thread(target=sink, daemon=True)
            thread.start()
            client.connect((address, 8000))
            client.sendall(bytes(size))
            client.shutdown(socket.SHUT_WR)
            thread.join(120)
        return sum(received)

    def asked(self, site, group, address):
        """Who answers at address when asked from a site's LAN."""
        return self.far(site, group).ask(address)

    def answer(self, site, group, address):
        """The same, where somebody has to, if not to the first question."""
        return wait_for(lambda: self.asked(site, group, address),
                        f"an answer of {address} to {site.name}")

    def is_reached(self, site, group, address, count=3, **options):
        """Waits for that many pings in a row from a site's LAN."""
        far = self.far(site, group)
        wait_for(lambda: far.ping(address, count, **options) == count,
                 f"{count} answers of {address} to {site.name}")

    def wait_until_reached(self, source, target, group):
        """Until one site's LAN, sites by name, has an answer of the other's."""
        address = self.site(target).end_host_address(group)
        wait_for(lambda: self.asked(self.site(source), group, address)
                 == f"{target}.{group}", f"{source} to reach {target}", 60)


def build(network):
    """Makes hosts and links of a network; nothing runs yet."""
    lab = SiteLab(network)
    try:
        lab.build_backbone()
        lab.build_sr()
        for site in network.sites:
            lab.build_site(site)
        lab.wire()
        for host in lab.hosts if not network.ipv6 else ():
            # Nothing of its own on the backbone: what is seen there is ours.
            host.sysctl(ipv6__conf__wan__disable_ipv6=1)
    except BaseException:
        lab.close()
        raise
    return lab
