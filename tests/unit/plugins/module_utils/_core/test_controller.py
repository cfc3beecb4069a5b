# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that controls a release."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import controller


def test_this_process_lives() -> None:
    start = controller.started(os.getpid())
    assert start
    assert controller.is_alive(os.getpid(), start)


def test_a_process_that_ended_is_gone_even_before_it_is_reaped() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    start = controller.started(child.pid)
    assert controller.is_alive(child.pid, start)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not controller.is_alive(child.pid, start), "a zombie controls nothing"
    child.wait()
    assert not controller.is_alive(child.pid, start)


def test_an_id_that_is_used_again_is_another_process() -> None:
    place = controller.started(os.getpid()).rpartition(":")[0]
    assert not controller.is_alive(os.getpid(), f"{place}:1")


@pytest.mark.parametrize("start", ["", "another-boot:pid:[4026531836]:77"])
def test_what_cannot_be_known_here_counts_as_alive(start: str) -> None:
    assert controller.is_alive(2**22 + 1, start)


def test_a_name_with_blanks_and_brackets(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = ["S", *(str(number) for number in range(4, 53))]
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "stat").write_text(f"7 (a (odd) name) {' '.join(fields)}\n", encoding="utf-8")
    monkeypatch.setattr(controller, "_PROC", tmp_path)
    assert controller._since(7) == "22"
    assert controller.started(7) == "", "no place without a boot id"
