# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the tests in several lanes side by side and merges what they say.

A lane is one pytest in one guest, or one process on a kernel that suffices.
All lanes select the same tests; each takes the next file from a common queue
when it has finished one, so that the lanes end at about the same time however
fast they are.  Taking a file is making a directory of its name: that is atomic
also where two guests see the same directory of the machine.

While tests run there is one line for each that has ended; what pytest says of
failures, skipped and slow tests follows for each lane when all have ended.
"""

import os
import pathlib
import re
import subprocess
import sys
import threading

PYTEST = ["/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider"]
# A result for each line, and nothing about where pytest runs.
OPTIONS = ["-v", "--no-header", "-o", "console_output_style=classic", "-rsfE",
           "--durations=10", "--tb=short"]
# pytest's exit status when it has run none.
NO_TESTS = 5
# The files that take longest: what is begun last should be short.
LONGEST = ("test_checked.py", "test_store.py", "test_management.py",
           "test_restart.py")
# With fewer tests than these for each lane, another guest and its network
# cost more than they save.
WORTH_A_LANE = 12

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
RESULT = re.compile(r"(test_\w+\.py::.*) (PASSED|FAILED|ERROR|SKIPPED)\b")
HEADING = re.compile(r"=+ (.*?) =+$")
FAILURE = re.compile(r"(FAILED|ERROR) test_\w+\.py")
NOISE = re.compile(r"collecting |sysrq: Power Off|$")


def select(arguments, environment):
    """How many tests pytest selects, by file; None if it could not tell."""
    result = subprocess.run(
        [*PYTEST, "--collect-only", "-qq", "--color=no", *arguments],
        env=os.environ | environment, text=True, capture_output=True)
    if result.returncode not in (0, NO_TESTS):
        print(result.stdout + result.stderr)
        return None
    return {file: int(number) for file, number in re.findall(
        r"^(test_\w+\.py): (\d+)$", result.stdout, re.MULTILINE)}


def take_next(queue):
    """Files of the queue as long as there are some that nobody has taken."""
    for file in (queue / "files").read_text().split():
        try:
            (queue / file).mkdir()
        except FileExistsError:
            continue
        yield file


class Work:
    """The queue, and what came of it.  `directory` is seen by every lane."""

    def __init__(self, selected, directory, not_queued=()):
        self.total = sum(selected.values())
        self.lanes_worth = max(1, self.total // WORTH_A_LANE)
        self.directory = directory
        self.done = 0
        self.counts = [0, 0, 0]
        self.status = 0
        self.details = []
        self.lock = threading.Lock()
        files = [f for f in selected if f not in not_queued]
        files.sort(key=lambda f: LONGEST.index(f) if f in LONGEST
                   else len(LONGEST))
        (directory / "files").write_text("\n".join(files))

    def left(self):
        return any(not (self.directory / file).exists() for file in
                   (self.directory / "files").read_text().split())

    def run(self, run, name, command, environment, queue=True):
        """A lane's pytest: run(command, environment, out) gives its status."""
        counts = self.directory / f"counts-{name}"
        # Wide enough for what the failures at the end say.
        environment = environment | {"GROUPVPN_COUNTS": str(counts),
                                     "COLUMNS": "160"}
        if queue:
            environment["GROUPVPN_QUEUE"] = str(self.directory)
        output = Output(self, name)
        status = run([*PYTEST, *OPTIONS, *command], environment, output)
        with self.lock:
            self.status |= 0 if status == NO_TESTS else status
            try:
                ended = [int(n) for n in counts.read_text().split()]
            except FileNotFoundError:
                ended = [0, 1, 0]
            self.counts = [a + b for a, b in zip(self.counts, ended)]
            self.details += [f"\n{name}:", *output.details]

    def show(self, line):
        with self.lock:
            print(line, flush=True)

    def show_result(self, name, line):
        with self.lock:
            self.done += 1
            print(f"{self.done:3}/{self.total} {name}: {line}", flush=True)

    def show_details(self):
        """The failures once more at the end, where they are looked for: what
        comes before may be thousands of lines."""
        failures = [line for line in self.details
                    if FAILURE.match(COLOUR.sub("", line))]
        print("\n".join([*self.details, "", *failures]), flush=True)


class Output:
    """What one lane says, given line by line."""

    def __init__(self, work, name):
        self.work = work
        self.name = name
        self.details = []
        self.last = None

    def __call__(self, line):
        line = line.rstrip("\n")
        plain = COLOUR.sub("", line)
        result = RESULT.match(plain)
        heading = HEADING.match(plain)
        if self.details or heading and heading[1] != "test session starts":
            if plain != "sysrq: Power Off":
                self.details.append(line)
        elif result and result[1] != self.last:
            # An error after the test is a second line for it.
            self.last = result[1]
            self.work.show_result(self.name, line)
        elif not (heading or NOISE.match(plain)):
            self.work.show(f"        {self.name}: {line}")


def record(counts):
    """For a lane's pytest: leaves [passed, failed, skipped] to run()."""
    if file := os.environ.get("GROUPVPN_COUNTS"):
        pathlib.Path(file).write_text(" ".join(map(str, counts)))
