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
import time

LAB = pathlib.Path(__file__).resolve().parent
SOURCE = LAB.parent.parent
LOGS = SOURCE / "build" / "lab-logs"
UML = "/usr/bin/linux.uml"
GUEST_MEMORY = "3G"
PR_SET_PDEATHSIG = 1
# pytest's exit status when an expression selects none of its tests.
NO_TESTS = 5

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


def die_with_parent(sig=signal.SIGKILL):
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, sig)


def terminate_on_signals(process):
    """Lets a signal to us end what we run, and then us."""
    def handler(number, _frame):
        process.kill()
        sys.exit(128 + number)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, handler)


def run_directly(command, environment, timeout):
    process = subprocess.Popen(command, env=os.environ | environment,
                               stdin=subprocess.DEVNULL,
                               preexec_fn=die_with_parent)
    terminate_on_signals(process)
    try:
        status = process.wait(timeout)
        return 0 if status == NO_TESTS else status
    except subprocess.TimeoutExpired:
        process.kill()
        say(f"timed out after {timeout} seconds")
        return 1


def run_in_guest(command, environment, timeout):
    """Boots a guest that runs the command and powers off.

    The exchange directory, the only one the guest can write to, brings the
    command in and the exit status back.
    """
    if not os.access(UML, os.X_OK):
        say(f"this kernel lacks ESP, GRE or VRF and there is no {UML}: "
            "install user-mode-linux")
        return 1
    say(f"the kernel lacks ESP, GRE or VRF: running in a guest ({UML})")
    with tempfile.TemporaryDirectory(prefix="run-", dir=LOGS) as exchange:
        run = pathlib.Path(exchange, "run.json")
        status = pathlib.Path(exchange, "status")
        run.write_text(json.dumps({
            "command": command, "environment": environment,
            "directory": os.getcwd()}))
        # A PID namespace: when its first process dies, so does every
        # process that the guest kernel made.
        guest = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
             "--propagation", "unchanged",
             UML, f"mem={GUEST_MEMORY}", "rootfstype=hostfs", "rootflags=/",
             "ro", f"init={LAB}/guest-init", "quiet", "loglevel=1",
             "selinux=0", "apparmor=0", "con=null",
             "con0=null,fd:1", f"lab_exchange={exchange}",
             f"lab_logs={LOGS}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
        terminate_on_signals(guest)
        signal.signal(signal.SIGALRM, lambda *_: guest.kill())
        signal.alarm(timeout)
        for line in guest.stdout:
            sys.stdout.buffer.write(line.replace(b"\r", b""))
            sys.stdout.buffer.flush()
        guest.wait()
        signal.alarm(0)
        try:
            result = int(status.read_text())
            return 0 if result == NO_TESTS else result
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


def read_counts(file):
    """[passed, failed, skipped] of what just ran; it failed if it left none."""
    try:
        return [int(number) for number in file.read_text().split()]
    except FileNotFoundError:
        return [0, 1, 0]
    finally:
        file.unlink(missing_ok=True)


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
    parser.add_argument("what", choices=("test", "demo", "exec"))
    options, rest = parser.parse_known_args()

    if options.counts:
        options.counts = options.counts.resolve()
    if os.geteuid() != 0:
        say("namespaces and daemons need root: run this with sudo")
        return 1
    colour = "yes" if sys.stdout.isatty() else "no"
    command = {
        "test": ["/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider",
                 "-rs", "-v", "--durations=10", "--tb=short",
                 f"--color={colour}", f"--rootdir={LAB}", *rest],
        "demo": ["/usr/bin/python3", str(LAB / "demo.py"), *rest],
        "exec": rest,
    }[options.what]
    if options.what == "test":
        os.chdir(LAB)
    LOGS.mkdir(parents=True, exist_ok=True)
    counts = LOGS / "counts"
    counts.unlink(missing_ok=True)
    environment = {
        "GROUPVPN_COLOUR": colour,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(LAB),
        "GROUPVPN_BUILD": str(options.build.resolve()),
        "GROUPVPN_ASAN": options.asan,
        "GROUPVPN_UBSAN": options.ubsan,
        "GROUPVPN_LOGS": str(LOGS),
    }
    started = time.monotonic()
    if kernel_suffices():
        say("the kernel has ESP, GRE and VRF: running in namespaces directly")
        status = run_directly(command, environment, options.timeout)
        total = read_counts(counts)
    else:
        in_guest = command
        if options.what == "test":
            in_guest = [*command, "--ignore=test_asan.py"]
        status = run_in_guest(in_guest, environment, options.timeout)
        total = read_counts(counts)
        if options.what == "test" and options.asan:
            say("AddressSanitizer has no room in the guest: its tests run "
                "directly, as far as they go without a data plane")
            status |= run_directly([*command, "test_asan.py"], environment,
                                   options.timeout)
            total = [a + b for a, b in zip(total, read_counts(counts))]
    say(f"finished in {time.monotonic() - started:.0f} seconds")
    if options.counts:
        options.counts.parent.mkdir(parents=True, exist_ok=True)
        with options.counts.open("a") as file:
            print(*total, file=file)
    return status


if __name__ == "__main__":
    sys.exit(main())
