# SPDX-License-Identifier: GPL-2.0-or-later
"""The networks of the tests, and how a lane takes and counts them."""

import itertools
import os
import pathlib

import pytest

import split
from kept import Kept, report
from sites import Network, Site, build


def network():
    return Network(
        groups={"blue": 100, "red": 200},
        sites=[Site("blue1", {"blue": "10.1.0"}),
               Site("blue2", {"blue": "10.2.0"}, vrfs=False,
                    credential="pubkey"),
               Site("red1", {"red": "10.1.0"}, credential="pubkey"),
               Site("dual", {"blue": "10.5.0", "red": "10.5.0"}),
               Site("outsider", {"blue": "10.6.0"}, authorised=False)])


SHARED = Kept(network)


def pytest_runtestloop(session):
    """Of the selected tests, those in the files that this lane takes."""
    if not os.environ.get("GROUPVPN_QUEUE") or session.testsfailed:
        return None
    by_file = {name: list(items) for name, items in itertools.groupby(
        session.items, lambda item: item.path.name)}
    for file in split.take_next(pathlib.Path(os.environ["GROUPVPN_QUEUE"])):
        items = by_file[file]
        for item, following in zip(items, [*items[1:], None]):
            item.config.hook.pytest_runtest_protocol(item=item,
                                                     nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
    return True


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if outcome.get_result().failed:
        item.failed = True


@pytest.fixture
def lab(request):
    """The network that nearly all tests share."""
    yield from SHARED.lend(request)


@pytest.fixture(scope="module")
def arrange():
    """arrange(lab, do, undo): the shared network otherwise, complete in another
    way, for this test and those after it in its module."""
    state = {}

    def arrange_once(lab, do, undo):
        if state.get("lab") is not lab:
            state.update(lab=lab, undo=undo)
            do(lab)
            lab.wait_until_up()
    yield arrange_once
    if SHARED.lab is None or state.get("lab") is not SHARED.lab:
        return
    try:
        state["undo"](SHARED.lab)
        SHARED.lab.wait_until_up()
    except BaseException:
        SHARED.drop()
        raise


@pytest.fixture
def own_lab(request):
    """Builds networks that a test has for itself; closed after it."""
    labs = []

    def make(description):
        labs.append(build(description))
        return labs[-1]
    yield make
    for lab in labs:
        if getattr(request.node, "failed", False):
            report(lab, request.node.name)
        lab.close()


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "long: not in `make check`, which has to be done in time; "
        "`make check-long` has these, and so has whoever asks by name")


def pytest_collection_modifyitems(config, items):
    option = config.option
    if option.markexpr or option.keyword or any(
            ".py" in argument for argument in config.args):
        return
    skipped = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=skipped)
    items[:] = [item for item in items if item not in skipped]


def pytest_sessionfinish(session):
    Kept.drop_all()
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    counts = [len(reporter.stats.get(key, []))
              for key in ("passed", "failed", "error", "skipped")]
    split.record([counts[0], counts[1] + counts[2], counts[3]])
