#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the lab: its tests, the demo, or any program that uses lab.py.

The lab needs a kernel with ESP, GRE and VRF.  Where the running one has them
the lab runs directly in namespaces; otherwise in a User-Mode Linux guest that
has the machine's own root file system, read-only, so that installed daemons
and the build tree are simply there.  Which of the two is printed first.

    run.py --build DIR test [pytest arguments]
    run.py --build DIR demo
    run.py --build DIR exec PROGRAM [arguments]

Many tests are split over several guests: see split.py.

Exit status is that of what ran.  Logs of failed tests are in build/lab-logs.
"""

import argparse
import ctypes
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

import split

LAB = pathlib.Path(__file__).resolve().parent
SOURCE = LAB.parent.parent
LOGS = SOURCE / "build" / "lab-logs"
UML = "/usr/bin/linux.uml"
GUEST_GIGABYTES = 3
PR_SET_PDEATHSIG = 1
ASAN_TESTS = "test_asan.py"

# What the data plane is made of, each tried in a namespace of its own.
PROBE = """
link add gre0probe type gre local 192.0.2.1 key 1
link add vrf0probe type vrf table 1
link add veth0probe type veth peer name veth1probe
xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 reqid 1 mode transport aead rfc4106(gcm(aes)) 0x0102030405060708090a0b0c0d0e0f1011121314 128
"""


def say(text):
    print(f"lab: {text}", flush=True)


def kernel_suffices():
    """Whether the running kernel has all that the data plane needs."""
    probe = subprocess.run(
        ["unshare", "--net", "ip", "-batch", "-"],
        input=PROBE, text=True, capture_output=True)
    return probe.returncode == 0


def guests_possible():
    """How many guests side by side.  Each has one CPU and waits for half of the
    time, so there is one more of them than CPUs, as far as memory goes."""
    if not os.access(UML, os.X_OK):
        return 0
    with open("/proc/meminfo") as file:
        free = next(int(line.split()[1]) for line in file
                    if line.startswith("MemAvailable:"))
    return max(1, min(len(os.sched_getaffinity(0)) + 1,
                      free // (GUEST_GIGABYTES << 20)))


class Processes:
    """What runs, to be ended when we are."""

    running = set()
    ending = False

    @classmethod
    def end(cls, number, _frame):
        cls.ending = True
        for process in list(cls.running):
            process.kill()
        sys.exit(128 + number)

    @classmethod
    def run(cls, argv, out, timeout, environment=None):
        """Gives each line of output to out; returns the exit status, or None
        if the time was over.  Must not be called by a thread that ends before
        the process does: it would take the process with it."""
        if cls.ending:
            return None
        process = subprocess.Popen(
            argv, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=lambda: ctypes.CDLL(None).prctl(
                PR_SET_PDEATHSIG, signal.SIGKILL))
        cls.running.add(process)
        late = threading.Event()
        timer = threading.Timer(timeout, lambda: (late.set(), process.kill()))
        timer.daemon = True
        timer.start()
        for line in process.stdout:
            out(line.replace(b"\r", b"").decode(errors="replace"))
        status = process.wait()
        timer.cancel()
        cls.running.discard(process)
        return None if late.is_set() else status


def run_directly(command, environment, out, timeout):
    status = Processes.run(command, out, timeout, os.environ | environment)
    if status is None:
        say(f"timed out after {timeout} seconds")
        return 1
    return status


def run_in_guest(command, environment, out, timeout):
    """Boots a guest that runs the command and powers off.

    The exchange directory brings the command in and the exit status back.  It
    is in LOGS, the only directory that the guest can write to.
    """
    with tempfile.TemporaryDirectory(prefix="guest-", dir=LOGS) as exchange:
        run = pathlib.Path(exchange, "run.json")
        status = pathlib.Path(exchange, "status")
        run.write_text(json.dumps({
            "command": command, "environment": environment,
            "directory": os.getcwd()}))
        # A PID namespace: when its first process dies, so does every
        # process that the guest kernel made.
        Processes.run(
            ["unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
             "--propagation", "unchanged",
             UML, f"mem={GUEST_GIGABYTES}G", "rootfstype=hostfs",
             "rootflags=/", "ro", f"init={LAB}/guest-init", "quiet",
             "loglevel=1", "selinux=0", "apparmor=0", "con=null",
             "con0=null,fd:1", f"lab_exchange={exchange}",
             f"lab_logs={LOGS}"], out, timeout)
        try:
            return int(status.read_text())
        except (OSError, ValueError):
            say("the guest ended without a result: it crashed, was killed, "
                f"or ran longer than {timeout} seconds")
            return 1


def run_as_guest(exchange):
    """What guest-init calls: runs the command and leaves its status."""
    run = json.loads(pathlib.Path(exchange, "run.json").read_text())
    result = subprocess.run(run["command"], cwd=run["directory"],
                            env=os.environ | run["environment"],
                            stdin=subprocess.DEVNULL)
    pathlib.Path(exchange, "status").write_text(str(result.returncode))


def run_tests(arguments, environment, runner, options):
    """pytest's tests, in as many lanes as there are CPUs and it is worth."""
    selected = split.select(arguments, environment)
    if not selected:
        say("no test is selected")
        return 1, [0, 1, 0]
    apart = []
    if runner is run_in_guest and ASAN_TESTS in selected:
        apart = [ASAN_TESTS]
        say("AddressSanitizer has no room in a guest: its tests run directly, "
            "as far as they go without a data plane")

    def direct(*what):
        return run_directly(*what, options.timeout)

    def run(*what):
        return runner(*what, options.timeout)

    with tempfile.TemporaryDirectory(prefix="tests-", dir=LOGS) as directory:
        work = split.Work(selected, pathlib.Path(directory), apart)
        lanes = min(options.lanes or guests_possible() or os.cpu_count(),
                    work.lanes_worth)

        def lane(number):
            # In the last lane: the first has the longest file to begin with.
            if apart and number == lanes:
                work.run(direct, "directly", [*arguments, *apart], environment,
                         queue=False)
            if work.left():
                work.run(run, f"lane {number}",
                         [*arguments, *(f"--ignore={f}" for f in apart)],
                         environment)
        threads = [threading.Thread(target=lane, args=(n,))
                   for n in range(1, lanes + 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    work.show_details()
    return work.status, work.counts


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--as-guest":
        return run_as_guest(sys.argv[2])
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True,
                        help="build tree with the plugins")
    parser.add_argument("--asan", default="",
                        help="build tree with --enable-sanitizers")
    parser.add_argument("--ubsan", default="",
                        help="build tree with --enable-sanitizers=undefined")
    parser.add_argument("--counts", type=pathlib.Path,
                        help="file to append 'passed failed skipped' to")
    parser.add_argument("--timeout", type=int, default=3600,
                        help="seconds after which everything is killed")
    parser.add_argument("--lanes", type=int,
                        help="at most so many guests with tests at once")
    parser.add_argument("what", choices=("test", "demo", "exec"))
    options, rest = parser.parse_known_args()

    if options.counts:
        options.counts = options.counts.resolve()
    if os.geteuid() != 0:
        say("namespaces and daemons need root: run this with sudo")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, Processes.end)
    sys.stdout.reconfigure(line_buffering=True)
    colour = "yes" if sys.stdout.isatty() else "no"
    LOGS.mkdir(parents=True, exist_ok=True)
    environment = {
        "GROUPVPN_COLOUR": colour,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(LAB),
        "GROUPVPN_BUILD": str(options.build.resolve()),
        "GROUPVPN_ASAN": options.asan,
        "GROUPVPN_UBSAN": options.ubsan,
        "GROUPVPN_LOGS": str(LOGS),
    } | {name: value for name, value in os.environ.items()
         if name.startswith("GROUPVPN_RANDOM_")}
    started = time.monotonic()
    if kernel_suffices():
        say("the kernel has ESP, GRE and VRF: running in namespaces directly")
        runner = run_directly
    elif guests_possible():
        say(f"the kernel lacks ESP, GRE or VRF: running in a guest ({UML})")
        runner = run_in_guest
    else:
        say(f"this kernel lacks ESP, GRE or VRF and there is no {UML}: "
            "install user-mode-linux")
        return 1
    if options.what == "test":
        os.chdir(LAB)
        status, counts = run_tests(
            [f"--rootdir={LAB}", f"--color={colour}", *rest], environment,
            runner, options)
        say("{} passed, {} failed, {} skipped".format(*counts))
        if options.counts:
            options.counts.parent.mkdir(parents=True, exist_ok=True)
            with options.counts.open("a") as file:
                print(*counts, file=file)
    else:
        command = ["/usr/bin/python3", str(LAB / "demo.py")] \
            if options.what == "demo" else []
        status = runner([*command, *rest], environment, sys.stdout.write,
                        options.timeout)
    say(f"finished in {time.monotonic() - started:.0f} seconds")
    return status


if __name__ == "__main__":
    sys.exit(main())
