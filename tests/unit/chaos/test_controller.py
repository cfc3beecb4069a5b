# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to end a controller, with a shell and an orphan in the place of Ansible and its module."""

from __future__ import annotations

import os
import pathlib
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from chaos.controller import Controller

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes PID namespaces")

#: A worker with a session of its own, as Ansible's, that writes a line ten times a second.
WORKER = "import time\nwhile True:\n    print('.', file=open('beats', 'a'), flush=True)\n    time.sleep(0.05)\n"


@pytest.fixture
def controller(tmp_path: pathlib.Path) -> Iterator[Controller]:
    (tmp_path / "worker.py").write_text(WORKER)
    shell = f"setsid {sys.executable} -S worker.py & trap 'exit 3' TERM; while :; do sleep 0.05; done"
    made = Controller(["bash", "-c", shell], os.environ, tmp_path, tmp_path / "log")
    wait_for((tmp_path / "beats").exists)
    yield made
    if not made.ended:
        made.kill_tree()


def wait_for(so: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not so():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def beats(folder: pathlib.Path) -> int:
    return (folder / "beats").stat().st_size


def goes_on(folder: pathlib.Path) -> bool:
    before = beats(folder)
    time.sleep(0.3)
    return beats(folder) > before


def test_a_tree_that_is_killed_is_gone(controller: Controller, tmp_path: pathlib.Path) -> None:
    controller.kill_tree()
    assert controller.ended
    assert not goes_on(tmp_path)


def test_an_orphan_outlives_its_group(controller: Controller, tmp_path: pathlib.Path) -> None:
    controller.kill_group()
    assert controller.wait(0.3) is None
    assert goes_on(tmp_path)
    controller.kill_tree()
    assert not goes_on(tmp_path)


def test_everything_stops_and_goes_on(controller: Controller, tmp_path: pathlib.Path) -> None:
    controller.stop()
    assert not goes_on(tmp_path)
    controller.resume()
    assert goes_on(tmp_path)


def test_a_cancelled_playbook_is_told_so(controller: Controller, tmp_path: pathlib.Path) -> None:
    controller.terminate()
    assert controller.wait(0.5) is None
    assert goes_on(tmp_path), "the worker was not cancelled"


@pytest.mark.parametrize(
    ("said", "revision"),
    [
        ("deploy v2 (20261121t153324z, revision 6)", 6),
        ("rollback to revision 5 (20261121t153324z, revision 7)", 7),
        ("deploy nothing (no release)\n\nus-east-1 : ok=68 changed=8", None),
    ],
)
def test_only_a_revision_is_a_release(controller: Controller, said: str, revision: int | None) -> None:
    controller.log.write_text(f"\nTASK [Say how it ended] ***\n\n{said}\n")
    assert controller.released() == revision
