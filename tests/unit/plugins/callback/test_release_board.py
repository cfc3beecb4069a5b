# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's events in; lines, a board or a log out. Never a failure."""

from __future__ import annotations

import io
import pathlib
import sys
import types
import typing as t

import pytest
from ansible.executor.task_result import _RawTaskResult
from ansible_collections.pincex.zero_downtime.plugins.callback import release_board
from board_samples import Facts, began, failed, fleet, opened, passed, planned

SET_FACT = "ansible.builtin.set_fact"
GATE = "pincex.zero_downtime.k8s_rollout_gate"
REPORT = "pincex.zero_downtime.release_report"
STATS = types.SimpleNamespace(failures={"us": 1}, dark={})


class Display:
    """Says where each line went, as Ansible's own would."""

    def __init__(self) -> None:
        self.verbosity = 0
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def display(self, line: str, color: str | None = None, screen_only: bool = False, newline: bool = True) -> None:
        if line:
            self.lines.append(line)
        sys.stdout.write(line + ("\n" if newline else ""))

    def warning(self, line: str) -> None:
        self.warnings.append(line)


class Tty(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise AssertionError("not asked for where the board is not in place")


class Run:
    """A playbook, event by event."""

    def __init__(self, display: Display, **options: t.Any) -> None:
        self.callback = release_board.CallbackModule(display=display)
        self.callback._plugin_options = {"in_place": True, "log_dir": None, **options}
        self.callback.v2_playbook_on_start(types.SimpleNamespace(_file_name="/somewhere/playbooks/deploy.yml"))

    def facts(self, host: str, *facts: t.Any) -> None:
        for each in facts:
            self.ended(host, SET_FACT, {"ansible_facts": each})

    def started(self, host: str, action: str = SET_FACT) -> None:
        self.callback.v2_runner_on_start(_host(host), types.SimpleNamespace(action=action))

    def ended(self, host: str, action: str, result: Facts, no_log: bool = False, ok: bool = True) -> None:
        task = types.SimpleNamespace(action=action, no_log=no_log, get_name=lambda: "raw name")
        raw = _RawTaskResult(_host(host), task, result, {"name": f"step | Task of {action}"})
        on = self.callback.v2_runner_on_ok if ok else self.callback.v2_runner_on_failed
        on(raw.as_callback_task_result())

    def end(self) -> None:
        self.callback.v2_playbook_on_stats(STATS)


def _host(name: str) -> t.Any:
    return types.SimpleNamespace(name=name, get_name=lambda: name)


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Display:
    for name in ("CI", "AWX_ISOLATED_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return Display()


def release(run: Run) -> None:
    for host in ("us", "eu"):
        run.started(host)
    run.facts("eu", opened())
    run.facts("us", opened(), planned(), fleet(), began(), passed(1), passed(2), failed(2, "too many errors"))
    run.facts("us", {"release_region_verdict": "taken_back"}, fleet("undo"))


def test_lines_where_nobody_draws(display: Display) -> None:
    run = Run(display)
    release(run)
    run.ended("us", REPORT, {"lines": ["the table"]})
    run.end()
    assert display.lines == [
        "[us] starts, 4 steps",
        "[us] 1/4 prepare core-api: pass, 2.0 s",
        "[us] 2/4 core-api 10 %: pass, 2.0 s",
        "[us] 3/4 core-api 100 %: fail, 1.0 s (too many errors)",
        "[us] taking back: too many errors",
        "[us] taken_back: too many errors",
    ]
    assert display.warnings == []


def test_the_closing_table_where_the_playbook_did_not_come_to_it(display: Display) -> None:
    run = Run(display)
    release(run)
    run.ended("us", REPORT, {"lines": []})
    run.end()
    table = display.lines[-1].splitlines()
    assert table[1] == "deploy v2 (20261121t092656z, revision 7)"
    assert table[3].split() == ["step", "us", "eu"]
    assert any(line.split() == ["verdict", "taken_back", "untouched"] for line in table)
    assert "us: too many errors" in table


def test_a_playbook_that_releases_nothing_gives_nothing(display: Display, tmp_path: pathlib.Path) -> None:
    run = Run(display, log_dir=str(tmp_path / "logs"))
    run.started("us", GATE)
    run.facts("us", {"release_region_missing": [], "mine": 1}, None, "text", {})
    run.ended("us", GATE, {"verdict": "fail", "reason": "no"}, ok=False)
    run.ended("us", REPORT, {"lines": ["history"]})
    run.end()
    assert (display.lines, display.warnings) == ([], [])
    assert not (tmp_path / "logs").exists()


def test_the_log_keeps_what_was_told_and_no_secret(display: Display, tmp_path: pathlib.Path) -> None:
    run = Run(display, log_dir=str(tmp_path / "logs"))
    release(run)
    run.ended("us", GATE, {"verdict": "pass", "reason": "all good", "changed": False})
    run.ended("us", GATE, {"msg": "the key is abracadabra"}, no_log=True, ok=False)
    run.ended("us", GATE, {"msg": "refused: password=hunter2"}, ok=False)
    run.ended("us", "ansible.builtin.command", {"stdout": "whatever"})
    run.ended("us", REPORT, {"lines": ["the table", "token=hunter2"]})
    run.end()
    [path] = (tmp_path / "logs").iterdir()
    lines = [line.partition("Z ")[2] or line for line in path.read_text().splitlines()]
    task = f"step | Task of {GATE}"
    censored = "the output has been hidden due to the fact that 'no_log: true' was specified for this result"
    assert lines[0] == "start: deploy"
    assert lines[1:4] == [
        "us: starts, 4 steps",
        "us: 1/4 prepare core-api: pass, 2.0 s",
        "us: 2/4 core-api 10 %: pass, 2.0 s",
    ]
    assert lines[6:] == [
        "us: taken_back: too many errors",
        "fleet: decision: undo",
        f"us: ok: {task}: pass, all good",
        f"us: failed: {task}: {censored}",
        f"us: failed: {task}: refused: password=***",
        "",
        "the table",
        "token=***",
        "end: failed hosts: us",
    ]


def test_facts_of_a_task_with_no_log_are_not_seen(display: Display) -> None:
    run = Run(display)
    run.ended("us", SET_FACT, {"ansible_facts": {**opened(), "_ansible_no_log": True}}, no_log=True)
    run.end()
    assert display.lines == []


def test_a_log_that_cannot_be_written_is_warned_about(display: Display, tmp_path: pathlib.Path) -> None:
    (tmp_path / "logs").write_text("a file")
    run = Run(display, log_dir=str(tmp_path / "logs"))
    release(run)
    assert len(display.lines) == 6
    [warning] = display.warnings
    assert warning.startswith("no log file of this run: ")


def test_a_disk_that_is_full_ends_the_log_only(display: Display, tmp_path: pathlib.Path) -> None:
    run = Run(display, log_dir=str(tmp_path))
    run.facts("us", opened())

    def full(*_args: object) -> t.NoReturn:
        raise OSError(28, "No space left on device")

    assert run.callback._log is not None
    run.callback._log.write = full
    release(run)
    assert len(display.lines) == 6
    assert display.warnings == ["no log file of this run: [Errno 28] No space left on device"]


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Tty:
    terminal = Tty()
    monkeypatch.setattr(terminal, "fileno", lambda: 1)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    return terminal


def test_in_place_on_a_terminal(display: Display, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    run = Run(display)
    release(run)
    assert sys.stdout is not terminal
    display.display("TASK [something]")
    run.started("us", GATE)
    run.ended("us", REPORT, {"lines": ["the table"]})
    run.end()
    assert sys.stdout is terminal
    assert display.lines == ["TASK [something]"]
    last = terminal.getvalue().rpartition("\x1b[J")[2].splitlines()
    assert last[0] == "deploy v2 (20261121t092656z, revision 7), decision: undo"
    assert [line.split()[-1] for line in last[-3:]] == ["taken_back", "untouched", "errors"]


@pytest.mark.parametrize(
    ("name", "value"), [("CI", "true"), ("AWX_ISOLATED_DATA_DIR", "/runner/artifacts/1"), ("TERM", "dumb")]
)
def test_a_terminal_that_nobody_looks_at(
    display: Display, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    terminal = on_a_terminal(monkeypatch)
    monkeypatch.setenv(name, value)
    release(Run(display))
    assert sys.stdout is terminal
    assert len(display.lines) == 6


def test_lines_when_asked_for_or_when_much_is_printed(display: Display, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    release(Run(display, in_place=False))
    display.verbosity = 3
    release(Run(display))
    assert sys.stdout is terminal
    assert len(display.lines) == 12


def test_a_terminal_without_utf_8(display: Display, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    monkeypatch.setattr(Tty, "encoding", "ISO-8859-1")
    release(Run(display))
    assert "x fail" in terminal.getvalue()
    assert terminal.getvalue().isascii()


@pytest.mark.parametrize("in_place", [True, False])
def test_a_board_that_breaks_is_switched_off(display: Display, monkeypatch: pytest.MonkeyPatch, in_place: bool) -> None:
    terminal = on_a_terminal(monkeypatch)
    run = Run(display, in_place=in_place)
    run.facts("us", opened())

    def broken(*_args: object, **_more: object) -> t.NoReturn:
        raise AssertionError("a bug")

    monkeypatch.setattr(release_board.view, "draw", broken)
    monkeypatch.setattr(release_board.Board, "take_facts", broken if not in_place else lambda *_: [])
    run.facts("us", planned())
    assert run.callback.disabled
    assert display.warnings == ["the release board is switched off: AssertionError: a bug"]
    assert sys.stdout is terminal


def test_the_next_playbook_of_one_command_starts_anew(display: Display) -> None:
    run = Run(display)
    release(run)
    run.end()
    count = len(display.lines)
    run.facts("us", {"mine": 1})
    run.end()
    assert len(display.lines) == count
