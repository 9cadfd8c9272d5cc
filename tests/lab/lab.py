# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts in namespaces that run the distribution's own daemons.

A Host is a network namespace and a mount namespace with its own /run, /etc/frr,
/etc/swanctl, /etc/strongswan.d, /var/lib, /var/log and charon plugin directory,
in which stock zebra, bgpd and charon-systemd run with our plugins loaded.  A Lab
holds the hosts and the links between them.

Namespaces have no names: they live as long as an open descriptor or a process
in them, so nothing is left behind however the run ends.

What a group VPN is made of (groups, sites, configuration files) is in sites.py.
"""

import contextlib
import ctypes
import functools
import hashlib
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("GROUPVPN_BUILD", "build/obj"))
LOGS = pathlib.Path(os.environ.get("GROUPVPN_LOGS", "build/lab-logs"))

CHARON_PLUGINS = pathlib.Path("/usr/lib/ipsec/plugins")
FRR_DAEMONS = pathlib.Path("/usr/lib/frr")
# Where a host sees the lab's directory, whose own place its /run or /tmp hides.
INSIDE = pathlib.Path("/mnt")

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000


class LabError(Exception):
    """Something in the lab did not do what it was told."""


class DaemonEnded(Exception):
    """Waiting on for it would be in vain."""


def check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source, target, kind=None, flags=0):
    check(libc.mount(str(source).encode(), str(target).encode(),
                     kind and kind.encode(), flags, None),
          f"mount {source} on {target}")


def wait_for(condition, what, timeout=60, interval=0.1):
    """Polls until condition() is true and returns its value.

    A condition may raise: that counts as not yet.  On time-out the message
    tells what was waited for and what the last attempt gave.  A time-out is for
    machines that are slow: nothing has to be done within it.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            last = condition()
            if last:
                return last
        except DaemonEnded:
            raise
        except Exception as error:
            # Half of an answer may be all there is yet.
            last = f"{type(error).__name__}: {error}"
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout} s for {what}; "
                           f"the last attempt gave: {last!r}")
        time.sleep(interval)


def attributes(data):
    """The attributes of a netlink message: type to value."""
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind] = data[4:length]
        data = data[(length + 3) & ~3:]
    return found


def dump_routes(netlink):
    """Prefix and interface index of each IPv4 unicast route; None if they
    changed meanwhile."""
    RTM_GETROUTE, RTM_NEWROUTE, REQUEST_DUMP, DONE = 26, 24, 0x301, 3
    RTN_UNICAST, RTA_DST, RTA_OIF = 1, 1, 4
    CLONED = 0x200  # the kernel's note of a path MTU, no route
    INTERRUPTED = 0x10
    netlink.sendto(struct.pack("=IHHII8BI", 28, RTM_GETROUTE, REQUEST_DUMP, 1, 0,
                               socket.AF_INET, *[0] * 7, 0), (0, 0))
    routes, consistent = [], True
    while True:
        data = netlink.recv(65536)
        while data:
            length, kind, about = struct.unpack_from("=IHH", data)
            consistent &= not about & INTERRUPTED
            if kind != RTM_NEWROUTE:
                if kind != DONE:
                    raise LabError(f"netlink gives no routes, but type {kind}")
                return routes if consistent else None
            bits, route_type = data[17], data[23]
            flags, = struct.unpack_from("=I", data, 24)
            found = attributes(data[28:length])
            if route_type == RTN_UNICAST and RTA_OIF in found and \
                    not flags & CLONED:
                address = socket.inet_ntoa(found.get(RTA_DST, bytes(4)))
                # As ip writes them.
                prefix = {0: "default", 32: address}.get(
                    bits, f"{address}/{bits}")
                routes.append((prefix, int.from_bytes(found[RTA_OIF],
                                                      "little")))
            data = data[(length + 3) & ~3:]


class Namespace:
    """A network namespace, and a mount namespace made by `mounts`."""

    def __init__(self, name, mounts=lambda: None):
        self.name = name
        self.pending = []
        ready, ready_w = os.pipe()
        done_r, done = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                check(libc.unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS),
                      "unshare")
                socket.sethostname(name)
                mount("none", "/", flags=MS_REC | MS_PRIVATE)
                mount("sys", "/sys", "sysfs")
                mounts()
                os.write(ready_w, b"+")
                os.close(done)
                os.read(done_r, 1)
            except OSError as error:
                os.write(ready_w, str(error).encode())
            os._exit(0)
        os.close(ready_w)
        os.close(done_r)
        answer = os.read(ready, 1000)
        self.net = os.open(f"/proc/{child}/ns/net", os.O_RDONLY)
        self.mnt = os.open(f"/proc/{child}/ns/mnt", os.O_RDONLY)
        self.uts = os.open(f"/proc/{child}/ns/uts", os.O_RDONLY)
        os.close(ready)
        os.close(done)
        os.waitpid(child, 0)
        if answer != b"+":
            raise LabError(f"{name}: {answer.decode()}")

    def close(self):
        for descriptor in (self.net, self.mnt, self.uts):
            os.close(descriptor)

    @property
    def path(self):
        """The network namespace as a path that ip understands."""
        return f"/proc/{os.getpid()}/fd/{self.net}"

    def popen(self, *argv, **options):
        """Starts a command inside, which ends when the lab does.

        By way of nsenter, because a process that forks to enter by itself has
        all its pages copied: in a guest that takes longer than most commands.
        """
        options.setdefault("stdin", subprocess.DEVNULL)
        descriptors = {"net": self.net, "uts": self.uts, "mount": self.mnt}
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "nsenter",
             *(f"--{kind}=/proc/self/fd/{descriptor}"
               for kind, descriptor in descriptors.items()),
             *map(str, argv)],
            cwd="/", pass_fds=tuple(descriptors.values()), **options)

    def run(self, *argv, check=True, timeout=180, stdin=None):
        """Runs a command and returns its standard output.

        With check it must succeed; otherwise what it said on standard error
        is appended to what is returned.
        """
        process = self.popen(*argv, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
        try:
            out, err = process.communicate(stdin or "", timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        if not check:
            return out + err
        if process.returncode != 0:
            raise LabError(f"{self.name}: {' '.join(map(str, argv))} ended "
                           f"with {process.returncode}: {err or out}")
        return out

    def ip(self, *commands):
        """ip with each of the commands, in one batch."""
        return self.run("ip", "-batch", "-", stdin="\n".join(commands))

    def setup(self, *commands):
        """The same, once the lab is wired: all of a namespace in one go."""
        self.pending.extend(commands)

    def ip_json(self, arguments):
        return json.loads(self.run("ip", "-json", *arguments.split()) or "[]")

    def routes(self):
        """The IPv4 unicast routes of all tables, each a prefix and the name of
        its device. Asked of the kernel directly: cheap enough to poll."""
        with self.entered():
            names = dict(socket.if_nameindex())
        with self.socket(socket.AF_NETLINK, socket.SOCK_RAW) as netlink:
            routes = None
            while routes is None:
                routes = dump_routes(netlink)
        return [(prefix, names.get(device)) for prefix, device in routes]

    @contextlib.contextmanager
    def entered(self):
        """The calling thread's network namespace, for opening sockets."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            check(libc.setns(self.net, CLONE_NEWNET), "setns")
            yield
        finally:
            check(libc.setns(home, CLONE_NEWNET), "setns")
            os.close(home)

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_DGRAM, proto=0):
        """A socket that belongs to the namespace whoever uses it."""
        with self.entered():
            return socket.socket(family, kind, proto)

    def sysctl(self, **values):
        """Sets keys below net, with __ for the slash."""
        with self.entered():
            for key, value in values.items():
                path = pathlib.Path("/proc/sys/net", *key.split("__"))
                path.write_text(str(value))

    def ping(self, address, count=3, size=56, options=(), wait=5):
        """How many of count echo requests were answered; wait is for how many
        seconds the last ones are waited for."""
        out = self.run("ping", "-n", "-q", "-c", count, "-i", "0.1", "-W", wait,
                       "-s", size, *options, address, check=False)
        for line in out.splitlines():
            if "packets transmitted" in line:
                return int(line.split(",")[1].split()[0])
        return 0

    def ask(self, address, timeout=2):
        """The name that the responder at address answers with, or None."""
        with self.socket() as query:
            query.settimeout(timeout)
            try:
                query.sendto(b"who", (address, Responder.PORT))
                return query.recv(100).decode()
            except OSError:
                return None


class Responder:
    """Answers on each end host with that host's name."""

    PORT = 7000

    def __init__(self):
        self.sockets = []
        self.threads = []

    def serve(self, namespace):
        server = namespace.socket()
        server.bind(("", self.PORT))
        self.sockets.append(server)

        def loop():
            with contextlib.suppress(OSError):
                while True:
                    _, client = server.recvfrom(100)
                    if client is None:  # shut down
                        return
                    with contextlib.suppress(OSError):
                        server.sendto(namespace.name.encode(), client)
        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        self.threads.append(thread)

    def close(self):
        for server in self.sockets:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()


class Capture:
    """tcpdump on one interface, or on all of a namespace with "any"."""

    def __init__(self, namespace, interface, file, expression=""):
        self.file = file
        self.messages = pathlib.Path(f"{file}.log").open("w+")
        with file.open("wb") as output:
            self.process = namespace.popen(
                "tcpdump", "-n", "-i", interface, "-U", "-s", "0", "-w", "-",
                "-B", "16384",
                "--immediate-mode", expression,
                stdout=output, stderr=self.messages)
        wait_for(self.listening, f"tcpdump on {namespace.name} {interface}")

    def listening(self):
        self.messages.seek(0)
        text = self.messages.read()
        if self.process.poll() is not None:
            raise LabError(f"tcpdump ended: {text}")
        return "listening on" in text

    def idle(self):
        """Whether tcpdump waits for packets: it has written what there was."""
        if self.process.poll() is not None:
            return True
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        return stat.rsplit(")", 1)[1].split()[0] == "S"

    def stop(self):
        """What passed before is in the file."""
        if self.process.poll() is None:
            wait_for(self.idle, "tcpdump to have caught up", interval=0.01)
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
        self.messages.close()

    def lines(self, expression, *options):
        """What tcpdump prints of the packets that match."""
        return subprocess.run(
            ["tcpdump", "-n", "-r", "-", *options, expression],
            input=self.written(), capture_output=True, check=True
            ).stdout.decode().splitlines()

    def count(self, expression=""):
        return len(self.lines(expression))

    def records(self):
        """The file as far as it is complete, and from where to where in it each
        packet is: the last one may be only half written."""
        data = self.file.read_bytes()
        order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
        found, at = [], 24
        while at + 16 <= len(data):
            begin = at + 16
            at = begin + struct.unpack_from(f"{order}I", data, at + 8)[0]
            if at <= len(data):
                found.append((begin, at))
        return data[:found[-1][1] if found else 24], found

    def written(self):
        return self.records()[0]

    def frames(self):
        """The packets, as bytes."""
        data, found = self.records()
        for begin, end in found:
            yield data[begin:end]


class Ping:
    """Runs until it is asked how many answers never came.

    Late ones do not count, nor does what is on its way at the end.
    """

    INTERVAL = 0.1

    def __init__(self, namespace, address):
        # A pipe that nobody reads would stop it.
        self.output = tempfile.TemporaryFile()
        self.process = namespace.popen("ping", "-n", "-i", self.INTERVAL,
                                       "-W", "5", address, stdout=self.output)

    def text(self):
        # Where ping writes on is in the file's one offset.
        size = os.fstat(self.output.fileno()).st_size
        return os.pread(self.output.fileno(), size, 0).decode()

    def answered(self):
        """The numbers of the requests that were."""
        return {int(n) for n in re.findall(r"icmp_seq=(\d+) ttl", self.text())}

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def missing(self):
        self.stop()
        answered = self.answered()
        sent = int(re.search(r"(\d+) packets transmitted", self.text())[1])
        on_its_way = 10
        return max([*answered, sent - on_its_way]) - len(answered)


class Flood(Ping):
    """Pings every 20 ms."""

    INTERVAL = 0.02

    def __init__(self, namespace, address):
        self.began = time.monotonic()
        super().__init__(namespace, address)

    def end(self, least=1):
        """How many were sent, waiting for some at least, and how many of these
        never answered."""
        wait_for(lambda: len(self.answered()) >= least, f"{least} pings")
        lasted = time.monotonic() - self.began
        self.stop()
        answered = self.answered()
        # What is on its way at the end is nobody's fault.
        sent = max(answered)
        if sent < lasted / self.INTERVAL / 4:
            raise LabError(f"only {sent} pings in {lasted:.0f} seconds")
        return sent, sent - len(answered)


class Daemon:
    """A process of a host that can be stopped, killed and started again."""

    def __init__(self, host, name, argv, ready, environment=None):
        self.host = host
        self.name = name
        self.argv = argv
        self.ready = ready
        self.environment = environment or {}
        self.process = None

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def start(self):
        if self.running:
            raise LabError(f"{self.host.name}: {self.name} is running already")
        for path in self.ready:
            self.host.outside(path).unlink(missing_ok=True)
        with self.host.outside(f"/var/log/{self.name}.out").open("a") as output:
            self.process = self.host.popen(
                *self.argv, stdout=output, stderr=output,
                env=os.environ | {"TMPDIR": "/tmp"} | self.environment)
        wait_for(self.is_ready, f"{self.name} of {self.host.name} to start", 180)

    def is_ready(self):
        if not self.running:
            raise DaemonEnded(
                f"{self.name} of {self.host.name} ended with status "
                f"{self.process.returncode}: {self.host.output(self.name)}")
        return all(self.host.outside(path).exists() for path in self.ready)

    def stop(self, timeout=60):
        """SIGTERM; returns the exit status."""
        return self.signal(signal.SIGTERM, timeout)

    def kill(self):
        return self.signal(signal.SIGKILL, 60)

    def signal(self, number, timeout):
        if not self.running:
            return None
        self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise LabError(f"{self.host.name}: {self.name} did not end within "
                           f"{timeout} s of signal {number}") from None


class Vty:
    """A connection to a daemon's vty socket: what vtysh does, without it."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(path))
        self.command("enable")

    def command(self, text):
        self.socket.sendall(text.encode() + b"\0")
        answer = b""
        # The answer ends in three NULs and a status octet.
        while len(answer) < 4 or answer[-4:-1] != b"\0\0\0":
            part = self.socket.recv(65536)
            if not part:
                raise LabError(f"the daemon closed the vty during: {text}")
            answer += part
        return answer[:-4].decode()

    def close(self):
        self.socket.close()


@functools.cache
def v6_with_v4_nexthops():
    """What lets bgpd of FRR 10 use IPv6 families where a host has only IPv4."""
    option = "--v6-with-v4-nexthops"
    usage = subprocess.run([FRR_DAEMONS / "zebra", "--help"], text=True,
                           capture_output=True).stdout
    return [option] if option in usage else []


class Host(Namespace):
    """A router that runs zebra, bgpd and charon."""

    # Each has a directory of its own below the host's, bound over the
    # system's in the host's mount namespace.
    PRIVATE = ("/run", "/etc/frr", "/etc/swanctl", "/etc/strongswan.d",
               "/var/lib", "/var/log", "/var/tmp", "/tmp")

    def __init__(self, lab, name, flavour):
        self.lab = lab
        self.flavour = flavour
        self.root = lab.directory / name
        for path in self.PRIVATE:
            self.outside(path).mkdir(parents=True)
        self.fill()
        super().__init__(name, self.mounts)
        self.daemons = {d.name: d for d in (
            Daemon(self, "zebra", [FRR_DAEMONS / "zebra", *self.frr_options("zebra"),
                                   *v6_with_v4_nexthops()],
                   ["/run/frr/zebra.vty", "/run/frr/zserv.api"]),
            Daemon(self, "bgpd",
                   [*flavour.wrapper("bgpd"),
                    FRR_DAEMONS / "bgpd", *self.frr_options("bgpd"),
                    *(["-M", flavour.bgpd_module] if flavour.bgpd_module else [])],
                   ["/run/frr/bgpd.vty"], flavour.environment),
            Daemon(self, "charon",
                   [*flavour.wrapper("charon"), "/usr/sbin/charon-systemd"],
                   ["/run/charon.vici"], flavour.environment),
        )}
        self.zebra = self.daemons["zebra"]
        self.bgpd = self.daemons["bgpd"]
        self.charon = self.daemons["charon"]

    def outside(self, path):
        """Where a private path of the host is seen from the lab."""
        return self.root / path.lstrip("/")

    def fill(self):
        """Empty installations, as the packages leave them."""
        frr = pwd.getpwnam("frr")
        for path in ("/run/frr", "/var/log/frr", "/var/tmp/frr", "/etc/frr"):
            self.outside(path).mkdir(exist_ok=True)
            os.chown(self.outside(path), frr.pw_uid, frr.pw_gid)
        self.write("/etc/frr/vtysh.conf", "service integrated-vtysh-config\n")
        shutil.copytree("/etc/swanctl", self.outside("/etc/swanctl"),
                        dirs_exist_ok=True)
        shutil.copytree("/etc/strongswan.d", self.outside("/etc/strongswan.d"),
                        dirs_exist_ok=True)
        self.write("/etc/strongswan.d/lab.conf", """
charon-systemd {
    journal { default = -1 }
    filelog { lab { path = /var/log/charon.log
        default = 1
        cfg = 2
        flush_line = yes
        time_format = %H:%M:%S } }
}
# Of the others one has a guest look for a hundred modules.
swanctl {
    load = pem pkcs1 pkcs8 x509 pubkey openssl
}
""")
        self.write("/etc/strongswan.d/charon/groupvpn.conf", (
            SOURCE / "strongswan-plugin/groupvpn.conf").read_text())
        # forecast joins multicast groups on every interface, noise in captures;
        # af-alg has a guest look for a hundred modules that it does not have.
        for plugin in ("forecast", "af-alg"):
            self.write(f"/etc/strongswan.d/charon/{plugin}.conf",
                       f"{plugin} {{\n    load = no\n}}\n")

    def mounts(self):
        mount(self.lab.directory, INSIDE, flags=MS_BIND)
        inside = INSIDE / self.root.name
        for path in self.PRIVATE:
            mount(inside / path.lstrip("/"), path, flags=MS_BIND)
        mount(self.flavour.charon_plugins, CHARON_PLUGINS, flags=MS_BIND)

    def frr_options(self, name):
        return ["-P", "0", "--log", f"file:/var/log/frr/{name}.log",
                "--log-level", "debugging"]

    def write(self, path, text, mode=0o640):
        file = self.outside(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        if path.startswith("/etc/frr/"):
            shutil.chown(file, "frr", "frr")

    def read(self, path):
        return self.outside(path).read_text(errors="replace")

    def start(self, frr=True):
        """All daemons, and the configuration that is in the files."""
        if frr:
            self.zebra.start()
            self.bgpd.start()
            self.load_frr()
        self.charon.start()
        self.load_swanctl()

    def stop(self):
        for name in ("charon", "bgpd", "zebra"):
            self.daemons[name].stop()

    def kill(self):
        for daemon in self.daemons.values():
            daemon.kill()

    def load_frr(self):
        """What frrinit.sh does after it has started the daemons."""
        return self.run(self.flavour.vtysh, "-b")

    def load_swanctl(self):
        """What strongswan.service does after it has started charon."""
        return self.run("swanctl", "--load-all", "--noprompt")

    def vtysh(self, *commands, check=True):
        arguments = [word for c in commands for word in ("-c", c)]
        return self.run(self.flavour.vtysh, *arguments, check=check)

    def configure(self, *commands):
        return self.vtysh("configure terminal", *commands)

    def bgp(self, command):
        """One show command, asked of bgpd directly: cheap enough to poll."""
        vty = Vty(self.outside("/run/frr/bgpd.vty"))
        try:
            return vty.command(command)
        finally:
            vty.close()

    def bgp_json(self, command):
        return json.loads(self.bgp(command + " json") or "{}")

    def reload_swanctl(self):
        """What systemctl reload strongswan does."""
        self.run("swanctl", "--reload-settings")
        return self.load_swanctl()

    def swanctl(self, *arguments, check=True):
        return self.run("swanctl", *arguments, check=check)

    def log_file(self, daemon):
        names = {"charon": "/var/log/charon.log"}
        return self.outside(names.get(daemon, f"/var/log/frr/{daemon}.log"))

    def log(self, daemon, since=0):
        """A daemon's log, or what it is longer than when it had since bytes."""
        try:
            with self.log_file(daemon).open("rb") as file:
                file.seek(since)
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def wait_for_log(self, daemon, text, since=0, timeout=60):
        """The first line with the text that the log gets after since."""
        return wait_for(
            lambda: next((line for line in
                          self.log(daemon, since).splitlines()
                          if text in line), None),
            f"{text!r} in the log of {daemon} on {self.name}", timeout)

    def log_size(self, daemon):
        file = self.log_file(daemon)
        return file.stat().st_size if file.exists() else 0

    def xfrm_counters(self):
        """/proc/net/xfrm_stat: what the kernel dropped, by reason."""
        lines = self.run("cat", "/proc/net/xfrm_stat").splitlines()
        return {name: int(value) for name, value in map(str.split, lines)}

    def states(self):
        """The host's XFRM states: spi, src, dst, and so on, without keys."""
        text = self.run("ip", "-d", "-s", "xfrm", "state", "list", "nokeys")
        return parse_states(text)

    def key_digests(self):
        """Digests of the keys of the host's states, to tell equal ones."""
        text = self.run("ip", "xfrm", "state", "list")
        return {hashlib.sha256(line.encode()).hexdigest()
                for line in text.splitlines() if line.strip().startswith("aead")}

    def policies(self):
        """The host's XFRM policies other than charon's own socket ones."""
        text = self.run("ip", "xfrm", "policy", "list")
        return [b for b in blocks(text) if "socket" not in b]

    def output(self, daemon):
        """What a daemon printed, and what the tool that ran it wrote."""
        return "".join(self.outside(f"/var/log/{daemon}.{kind}")
                       .read_text(errors="replace")
                       for kind in ("out", "valgrind")
                       if self.outside(f"/var/log/{daemon}.{kind}").exists())

    def collect(self, directory):
        """Leaves what is needed to understand a failure, without secrets."""
        target = directory / self.name
        shutil.copytree(self.outside("/var/log"), target, dirs_exist_ok=True)
        for file, argv in {
                "bgp.json": [self.flavour.vtysh, "-c", "show bgp group-vpn json"],
                "bgp-summary.txt": [self.flavour.vtysh, "-c", "show bgp vrf all summary"],
                "bgp-unicast.txt": [self.flavour.vtysh, "-c", "show bgp vrf all ipv4 unicast"],
                "bgp-vpn.txt": [self.flavour.vtysh, "-c", "show bgp ipv6 vpn"],
                "running-config.txt": [self.flavour.vtysh, "-c", "show running-config"],
                "sas.txt": ["swanctl", "--list-sas"],
                "addresses.txt": ["ip", "-d", "address"],
                "routes.txt": ["ip", "route", "show", "table", "all"],
                "neighbours.txt": ["ip", "neighbour"],
                "xfrm-states.txt": ["ip", "-d", "-s", "xfrm", "state", "list", "nokeys"],
                "xfrm-policies.txt": ["ip", "-d", "xfrm", "policy", "list"],
                "xfrm-counters.txt": ["cat", "/proc/net/xfrm_stat"]}.items():
            try:
                text = self.run(*argv, check=False, timeout=10)
            except subprocess.SubprocessError as error:
                text = str(error)
            (target / file).write_text(text)


def blocks(text):
    """Splits what ip xfrm prints into one text for each object."""
    result = []
    for line in text.splitlines():
        if line[:1].isspace() and result:
            result[-1] += "\n" + line
        elif line.strip():
            result.append(line)
    return result


def parse_states(text):
    states = []
    for block in blocks(text):
        words = block.split()

        def after(word, words=words):
            return words[words.index(word) + 1] if word in words else None
        # Windows beyond 32 packets are in the ESN context.
        window = int(after("replay_window").rstrip(",")
                     if "replay_window" in words else after("replay-window") or 0)
        states.append({
            "src": after("src"), "dst": after("dst"),
            "spi": int(after("spi").split("(")[0], 16),
            "reqid": int(after("reqid").split("(")[0]),
            "mode": after("mode"),
            "replay_window": window,
            "text": block})
    return states


class Flavour:
    """Which build of the plugins a host loads, copied where it can be read.

    The copies spare bgpd, which is not root for long, the path to the build
    tree, and hosts the build tree altogether.
    """

    def __init__(self, directory, build=BUILD, plugins=True, environment=None,
                 wrapper=()):
        inside = INSIDE / directory.name
        self.environment = environment or {}
        self.wrapper_argv = wrapper
        self.bgpd_module = None
        self.vtysh = "vtysh"
        self.charon_plugins = inside / "plugins"
        plugin_copies = directory / "plugins"
        shutil.copytree(CHARON_PLUGINS, plugin_copies)
        if not plugins:
            return
        for tree, name, target in (
                (build, "libstrongswan-groupvpn", plugin_copies),
                (build, "bgpd_groupvpn", directory),
                (BUILD, "vtysh_groupvpn", directory),
                (BUILD, "vtysh_groupvpn_cmds", directory)):
            shutil.copy(pathlib.Path(tree, ".libs", f"{name}.so").resolve(),
                        target)
        self.bgpd_module = inside / "bgpd_groupvpn.so"
        wrapper = (SOURCE / "frr-plugin/vtysh.in").read_text()
        (directory / "vtysh").write_text(
            wrapper.replace("@pkglibdir@", str(inside)))
        (directory / "vtysh").chmod(0o755)
        self.vtysh = inside / "vtysh"


    def wrapper(self, daemon):
        """What a daemon is started with, {} being its name."""
        return [word.format(daemon) for word in self.wrapper_argv]


class Lab:
    """Hosts, forwarding-only routers, end hosts, and the links between."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="groupvpn-lab-"))
        self.directory.chmod(0o755)
        self.namespaces = {}
        self.pending = []
        self.captures = []
        self.responder = Responder()
        self.flavours = {}

    def flavour(self, name="normal", **options):
        if name not in self.flavours:
            directory = self.directory / f"flavour-{name}"
            directory.mkdir()
            self.flavours[name] = Flavour(directory, **options)
        return self.flavours[name]

    def __getitem__(self, name):
        return self.namespaces[name]

    def add(self, namespace):
        if namespace.name in self.namespaces:
            raise LabError(f"{namespace.name} exists already")
        self.namespaces[namespace.name] = namespace
        namespace.setup("link set dev lo up")
        namespace.sysctl(ipv4__conf__all__rp_filter=0,
                         ipv4__conf__default__rp_filter=0)
        return namespace

    def host(self, name, flavour=None):
        host = self.add(Host(self, name, flavour or self.flavour()))
        host.sysctl(ipv4__ip_forward=1)
        return host

    def router(self, name):
        """Only forwards IP: what a backbone is to us."""
        router = self.add(Namespace(name))
        router.sysctl(ipv4__ip_forward=1)
        return router

    def end_host(self, name):
        """Stands on a site's LAN and answers with its name."""
        end_host = self.add(Namespace(name))
        self.responder.serve(end_host)
        return end_host

    def link(self, a, name_a, b, name_b, mtu=1500):
        self.pending.append(
            f"link add {name_a} netns {a.path} mtu {mtu} type veth "
            f"peer name {name_b} netns {b.path} mtu {mtu}")
        for end, name in ((a, name_a), (b, name_b)):
            end.setup(f"link set dev {name} up")

    def wire(self):
        """Makes the links, then all that was asked for with setup()."""
        subprocess.run(["ip", "-batch", "-"], text=True, check=True,
                       input="\n".join(self.pending))
        self.pending = []
        for namespace in self.namespaces.values():
            namespace.ip(*namespace.pending)
            namespace.pending = []

    def capture(self, namespace, interface="any", expression=""):
        file = self.directory / f"capture-{len(self.captures)}.pcap"
        capture = Capture(namespace, interface, file, expression)
        self.captures.append(capture)
        return capture

    @property
    def hosts(self):
        return [n for n in self.namespaces.values() if isinstance(n, Host)]

    def collect(self, name):
        """Logs and state of every host, into build/lab-logs/NAME."""
        directory = LOGS / name
        shutil.rmtree(directory, ignore_errors=True)
        for host in self.hosts:
            host.collect(directory)
        return directory

    def close(self):
        for capture in self.captures:
            capture.stop()
        for host in self.hosts:
            host.kill()
        self.responder.close()
        for namespace in self.namespaces.values():
            namespace.close()
        shutil.rmtree(self.directory)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
