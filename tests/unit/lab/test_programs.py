# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process is only ever taken for ours when its pid and its start time agree."""

from __future__ import annotations

import os
import pathlib
import subprocess
import time
import typing as t

import pytest

from lab import model, programs


@pytest.fixture
def site(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[model.Site]:
    monkeypatch.setattr(model, "ROOT", tmp_path)
    site = model.Site(lab="scratch", name="here", index=1, block=2, has_node=False)
    site.home.mkdir(parents=True)
    yield site
    for name in programs.known(site):
        programs.stop(site, name, timeout_s=0)


def eventually(check: t.Callable[[], bool]) -> bool:
    """The shell that writes the pid file becomes the program a moment later."""
    deadline = time.monotonic() + 10
    while not check():
        if time.monotonic() > deadline:
            return False
        os.sched_yield()
    return True


def test_stat_with_a_name_that_looks_like_fields() -> None:
    fields = " ".join(["S", *(str(number) for number in range(4, 53))])
    assert programs.parse_start_time(f"42 (a) b (c) R 7) {fields}") == ("S", 22)


@pytest.mark.parametrize("text", ["", "12", "12 x", "1 2 3", "-1 5"])
def test_a_torn_pid_file_names_nobody(text: str) -> None:
    assert programs.parse_pidfile(text) is None


def test_started_found_and_stopped(site: model.Site) -> None:
    assert programs.start(site, "sleeper", ["sleep", "60"], in_netns=False)
    identity = programs.find(site, "sleeper")
    assert identity is not None
    cmdline = pathlib.Path(f"/proc/{identity.pid}/cmdline")
    assert eventually(lambda: cmdline.read_bytes() == b"sleep\x0060\x00")
    assert not programs.start(site, "sleeper", ["sleep", "60"], in_netns=False), "it runs already"
    programs.stop(site, "sleeper")
    assert not programs.is_running(identity)
    assert programs.known(site) == []


def test_a_reused_pid_is_neither_alive_nor_killed(site: model.Site) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        real = programs.parse_start_time(pathlib.Path(f"/proc/{stranger.pid}/stat").read_text())[1]
        programs.pidfile(site, "old").parent.mkdir()
        programs.pidfile(site, "old").write_text(f"{stranger.pid} {real - 1}\n")
        assert not programs.alive(site, "old")
        programs.stop(site, "old", timeout_s=0)
        assert stranger.poll() is None, "somebody else's process was killed"
    finally:
        stranger.kill()
        stranger.wait()


def test_a_program_that_ignores_term_is_killed(site: model.Site) -> None:
    ready = site.home / "ready"
    script = f"trap '' TERM; touch {ready}; while :; do sleep 0.05; done"
    programs.start(site, "stubborn", ["sh", "-c", script], in_netns=False)
    assert eventually(ready.exists)
    identity = programs.find(site, "stubborn")
    assert identity is not None
    programs.stop(site, "stubborn", timeout_s=0.1)
    assert not programs.is_running(identity)


def test_proxies_do_not_reach_the_lab(site: model.Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://192.0.2.1:1")
    programs.start(site, "sleeper", ["sleep", "60"], in_netns=False)
    identity = programs.find(site, "sleeper")
    assert identity is not None
    # Empty while the program is being loaded.
    end = time.monotonic() + 10
    while not (environment := pathlib.Path(f"/proc/{identity.pid}/environ").read_bytes()) and time.monotonic() < end:
        time.sleep(0.01)
    assert b"PIDFILE=" in environment
    assert b"HTTPS_PROXY" not in environment
