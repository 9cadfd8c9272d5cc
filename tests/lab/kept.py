# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks that tests share: made when the first test wants one, made anew only
after a test that failed."""

import contextlib
import re

import pytest

from lab import LabError
from sites import build

LOG_TAIL = 15


def report(lab, name):
    """Collects the logs and shows the end of each."""
    directory = lab.collect(name)
    print(f"\nlogs and state of all hosts: {directory}")
    for host in lab.hosts:
        for daemon in ("bgpd", "charon"):
            lines = host.log(daemon).splitlines()[-LOG_TAIL:]
            print(f"--- {host.name}: {daemon}")
            print("\n".join(lines))


@contextlib.contextmanager
def closed_at_the_end(request, lab, name):
    """For a module's own lab: starts in it, ends with it.  The logs are shown if
    it did not come up, or one of the module's tests failed."""
    failed = request.session.testsfailed
    try:
        yield
    except BaseException:
        failed = -1
        raise
    finally:
        if request.session.testsfailed != failed:
            report(lab, name)
        lab.close()


class Kept:
    """A network, described by network(), for all tests of a session; with
    `file` only for those of one file, after which it is closed."""

    all = []

    def __init__(self, network, file=None):
        self.network = network
        self.file = file
        self.lab = None
        Kept.all.append(self)

    def get(self):
        if self.lab is None:
            self.lab = build(self.network())
            try:
                self.lab.start()
                self.lab.wait_until_up()
                self.lab.wait_until_registered()
            except BaseException:
                report(self.lab, "start")
                self.drop()
                raise
        return self.lab

    def drop(self):
        if self.lab is not None:
            self.lab.close()
            self.lab = None

    @classmethod
    def drop_all(cls, but_those_of=()):
        for kept in cls.all:
            if kept.file not in but_those_of:
                kept.drop()

    def lend(self, request):
        """To `yield from` in a fixture: complete when a test begins and when it
        ends."""
        Kept.drop_all((None, request.node.path.name))
        yield self.get()
        name = re.sub(r"[^\w.-]+", "-", request.node.name)
        if getattr(request.node, "failed", False):
            report(self.lab, name)
            self.drop()
            return
        try:
            self.lab.wait_until_up()
            self.lab.wait_until_registered()
        except LabError as error:
            report(self.lab, name)
            self.drop()
            pytest.fail(f"the test left the network incomplete: {error}")
