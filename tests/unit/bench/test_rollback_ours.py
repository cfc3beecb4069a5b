# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bench leaves no process of a playbook behind, with a shell and an orphan in the place of Ansible and its module."""

from __future__ import annotations

import os
import pathlib
import time
from collections.abc import Callable

import pytest

from bench.rollback.ours import Environment, kill
from lab.demo.playbook import Playbooks
from lab.model import plan_lab

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes PID namespaces")


def wait_for(so: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not so():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def cut_off(fifo: int) -> bool:
    """Whether no process has the other end open any more."""
    try:
        return os.read(fifo, 1) == b""
    except BlockingIOError:
        return False


def test_a_module_that_waits_ends_with_its_playbook(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ansible's worker has a session of its own, and so has the shell's here."""
    held = tmp_path / "held"
    os.mkfifo(held)
    shell = f"setsid sh -c 'echo begun > {tmp_path}/begun; exec sleep 60 > {held}' & wait"
    monkeypatch.setattr(Playbooks, "command", lambda *_: ["bash", "-c", shell])
    fifo = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    try:
        process = Environment(plan_lab("demo"), tmp_path / "reports").start("deploy")
        wait_for((tmp_path / "begun").exists)
        wait_for(lambda: not cut_off(fifo))
        kill(process)
        wait_for(lambda: cut_off(fifo))
    finally:
        os.close(fifo)
