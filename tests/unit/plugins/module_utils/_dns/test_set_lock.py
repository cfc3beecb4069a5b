# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One process at a time for each set."""

from __future__ import annotations

import multiprocessing
import pathlib
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.set_lock import set_lock
from fakes import FakeClock


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def add_one(path: pathlib.Path, rounds: int) -> None:
    for _round in range(rounds):
        with set_lock("a set", SystemClock(), SystemClock().monotonic() + 30):
            path.write_text(str(int(path.read_text()) + 1))


def test_processes_take_turns(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "count"
    path.write_text("0")
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=add_one, args=(path, 5)) for _worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert path.read_text() == "20"


def test_who_waits_too_long_is_told() -> None:
    clock = FakeClock()
    with set_lock("a set", clock, clock.monotonic() + 5):
        with set_lock("another set", clock, clock.monotonic() + 5):
            pass
        with (
            pytest.raises(ReleaseError, match="a set: another process of this controller has been changing it for 5 s"),
            set_lock("a set", clock, clock.monotonic() + 5),
        ):
            pytest.fail("two at once")
    with set_lock("a set", clock, clock.monotonic()):
        pass


def test_only_this_user_may_read_it(folder: pathlib.Path) -> None:
    with set_lock("a set", FakeClock(), 0.0):
        [inside] = folder.iterdir()
        [file] = inside.iterdir()
        assert (inside.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


def test_a_folder_that_others_may_write_into_is_refused(folder: pathlib.Path) -> None:
    with set_lock("a set", FakeClock(), 0.0):
        [inside] = folder.iterdir()
    inside.chmod(0o777)
    said = "or others may write into it; remove it, or set XDG_RUNTIME_DIR"
    with pytest.raises(ReleaseError, match=said), set_lock("a set", FakeClock(), 0.0):
        pytest.fail("it was taken")


def test_an_error_gives_it_back() -> None:
    clock = FakeClock()

    def fail() -> t.NoReturn:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), set_lock("a set", clock, clock.monotonic()):
        fail()
    with set_lock("a set", clock, clock.monotonic()):
        pass
