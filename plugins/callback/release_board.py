# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Ansible wants the documentation before the imports.
# ruff: noqa: E402
"""Shows a release while it runs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: release_board
type: aggregate
short_description: Show a release while it runs, regions beside steps
version_added: 0.1.0
description:
  - While a release of this collection runs, shows for every region which step it is at and what became of the steps
    before.
  - On a terminal the board stays below everything else that Ansible prints and is drawn again with each change.
    Elsewhere (a pipe, a CI job, AWX) it is one line for each change, after the manner of the modules' own lines.
  - At the end the board stays. When the run ended before the playbook printed its report, the closing table is printed.
  - A playbook that releases nothing gives no board and no log file.
  - Colours follow Ansible, so E(NO_COLOR) turns them off. Where the terminal has no UTF-8 the board is plain ASCII.
author:
  - Pincex release engineering (@pincex)
requirements:
  - In C(callbacks_enabled) of C(ansible.cfg), or in E(ANSIBLE_CALLBACKS_ENABLED).
options:
  in_place:
    description:
      - Whether the board stays in its place where standard output is a terminal. With V(false) it is lines everywhere.
      - It is lines in any case where E(CI) is set, under ansible-runner and AWX (E(AWX_ISOLATED_DATA_DIR)), on a dumb
        terminal, and with C(-vvv) or more.
    type: bool
    default: true
    env:
      - name: PINCEX_BOARD_IN_PLACE
    ini:
      - section: callback_release_board
        key: in_place
  log_dir:
    description:
      - Folder for a log file of each run, named after its time in UTC and its playbook, as
        V(20261121T092000Z-deploy.log). It is made when it is missing.
      - Only the owner can read the file. It holds what the board told, the tasks of this collection and those that
        failed, and the closing table. Of a task with C(no_log) it holds the name alone, and what looks like a secret
        is covered.
      - No file is written without it. A file that cannot be written is warned about, and the run goes on.
    type: path
    env:
      - name: PINCEX_BOARD_LOG_DIR
    ini:
      - section: callback_release_board
        key: log_dir
"""

import datetime
import functools
import os
import pathlib
import sys
import typing as t
from collections.abc import Callable, Mapping

from ansible import constants as C
from ansible.plugins.callback import CallbackBase
from ansible.utils.color import stringc
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.table import closing_table
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils import _board_view as view
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._ahead import import_filters
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._board import FIRST_FACT, Board, Change, Tone
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._board_log import RunLog
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._board_screen import Screen

import_filters()

_COLORS: t.Final[Mapping[Tone, str | None]] = {
    "plain": None,
    "good": C.COLOR_OK,
    "bad": C.COLOR_ERROR,
    "busy": C.COLOR_CHANGED,
    "dim": C.COLOR_DEBUG,
}
_OURS: t.Final = "pincex.zero_downtime."

_Args = t.ParamSpec("_Args")


def _never_fails(method: Callable[_Args, None]) -> Callable[_Args, None]:
    """A board that breaks is switched off with one warning. The release goes on."""

    @functools.wraps(method)
    def guarded(*args: _Args.args, **kwargs: _Args.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception as problem:
            t.cast(CallbackModule, args[0]).give_up(problem)

    return guarded


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible has no types
    """Hands Ansible's events to the board and shows what it tells.

    `_result`, `_host` and `_task` have these names in every ansible-core that the collection supports.
    """

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "pincex.zero_downtime.release_board"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display: t.Any = None, options: dict[str, t.Any] | None = None) -> None:
        super().__init__(display=display, options=options)
        self._forget("")

    def _forget(self, playbook: str) -> None:
        self._playbook = playbook
        self._hosts: dict[str, None] = {}
        self._board: Board | None = None
        self._screen: Screen | None = None
        self._log: RunLog | None = None
        self._reported = False

    @_never_fails
    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        self._forget(pathlib.Path(str(playbook._file_name)).stem)

    @_never_fails
    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        # Tasks start in the order of the inventory; results come in any order.
        self._hosts.setdefault(host.get_name())
        if self._board is not None:
            self._board.take_start(host.get_name(), str(task.action))
            self._show([])

    @_never_fails
    def v2_runner_on_ok(self, result: t.Any) -> None:
        action = str(result._task.action)
        if action.rpartition(".")[2] == "set_fact":
            self._take_facts(result._host.get_name(), result._result.get("ansible_facts"))
        elif self._board is not None and action.startswith(_OURS):
            self._take_module(action.removeprefix(_OURS), result)

    @_never_fails
    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        message = str(result._result.get("msg") or result._result.get("censored") or "")
        state = "failed, ignored" if ignore_errors else "failed"
        self._write_log(result._host.get_name(), f"{state}: {result.task_name}: {message}")

    @_never_fails
    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._write_log(result._host.get_name(), f"unreachable: {result.task_name}: {result._result.get('msg', '')}")

    @_never_fails
    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        if self._board is None:
            return
        self._board.end()
        self._show([])
        if self._screen is not None:
            self._screen.close()
        if not self._reported and any(region.rows for region in self._board.regions):
            self._close_with([*closing_table(self._board.report()), ""])
        failed = sorted({*stats.failures, *stats.dark})
        self._write_log("end", f"failed hosts: {', '.join(failed)}" if failed else "no failed host")
        if self._log is not None:
            self._log.close()
        self._forget("")

    def give_up(self, problem: Exception) -> None:
        """Leave the terminal as it was, say why, and hear no more events."""
        self.disabled = True
        if self._screen is not None:
            self._screen.close()
        self._display.warning(f"the release board is switched off: {type(problem).__name__}: {problem}")

    def _take_facts(self, host: str, facts: object) -> None:
        if not isinstance(facts, Mapping):
            return
        if self._board is None:
            if FIRST_FACT not in facts:
                return
            self._board = Board(self._playbook, list(self._hosts))
            self._open_log()
            if self._in_place():
                self._screen = Screen(self._draw)
        self._show(self._board.take_facts(host, facts))

    def _take_module(self, name: str, result: t.Any) -> None:
        told = result._result
        if name == "release_report":
            lines = told.get("lines")
            if isinstance(lines, list) and lines:
                self._reported = True
                self._write_table([str(line) for line in lines])
            return
        state = "changed" if told.get("changed") else "ok"
        judged = f": {told['verdict']}, {told.get('reason', '')}" if told.get("verdict") else ""
        self._write_log(result._host.get_name(), f"{state}: {result.task_name}{judged}")

    def _show(self, changes: list[Change]) -> None:
        """Lines, or the board as it is now."""
        for change in changes:
            self._write_log(change.region, change.text)
            # What the fleet does, its journal's module tells by itself.
            if self._screen is None and change.region != "fleet":
                self._display.display(f"[{change.region}] {change.text}", color=_COLORS[change.tone])
        if self._screen is not None:
            # Through Ansible's own display, for it holds the lock that keeps writes and forks apart.
            self._display.display("", screen_only=True, newline=False)
            if self._screen.footer.problem is not None:
                raise self._screen.footer.problem

    def _close_with(self, table: list[str]) -> None:
        """The run ended before the playbook could report."""
        self._display.display("\n" + "\n".join(table))
        self._write_table(table)

    def _draw(self, width: int, height: int) -> list[tuple[str, int]]:
        if self._board is None:
            return []
        signs = view.UNICODE if "utf" in (sys.stdout.encoding or "").lower() else view.ASCII
        lines = view.draw(self._board, width=width, height=height, signs=signs)
        return [("".join(_painted(span) for span in line), view.cells(view.plain(line))) for line in lines]

    def _in_place(self) -> bool:
        return bool(
            self.get_option("in_place")
            and sys.stdout.isatty()
            and os.environ.get("TERM", "dumb") != "dumb"
            # ansible-runner and many CI systems give a terminal that nobody looks at.
            and not os.environ.get("CI")
            and "AWX_ISOLATED_DATA_DIR" not in os.environ
            # So much is printed then that a board is in the way.
            and self._display.verbosity < 3
        )

    def _open_log(self) -> None:
        folder = self.get_option("log_dir")
        if not folder:
            return
        try:
            self._log = RunLog(pathlib.Path(folder), self._playbook, datetime.datetime.now(datetime.UTC))
        except OSError as problem:
            self._lose_log(problem)
        self._write_log("start", self._playbook)

    def _write_log(self, region: str, text: str) -> None:
        if self._log is not None:
            try:
                self._log.write(datetime.datetime.now(datetime.UTC), region, text)
            except OSError as problem:
                self._lose_log(problem)

    def _write_table(self, lines: list[str]) -> None:
        if self._log is not None:
            try:
                self._log.write_table(lines)
            except OSError as problem:
                self._lose_log(problem)

    def _lose_log(self, problem: OSError) -> None:
        """A full disk ends the log, and nothing else."""
        self._log = None
        self._display.warning(f"no log file of this run: {problem}")


def _painted(span: view.Span) -> str:
    color = _COLORS[span.tone]
    return stringc(span.text, color) if color else span.text
