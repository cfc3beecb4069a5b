# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Ansible wants the documentation before the imports.
# ruff: noqa: E402
"""A line of JSON for each task of a playbook: when it began and ended, and what a module that is measured returned."""

from __future__ import annotations

DOCUMENTATION = r"""
name: bench_tasks
type: aggregate
short_description: Write down when each task began and ended
description:
  - Writes a line of JSON for each task into the file that E(PINCEX_BENCH_TASKS) names.
author:
  - Pincex release engineering (@pincex)
"""

import json
import os
import pathlib
import time
import typing as t

from ansible.plugins.callback import CallbackBase

_KEPT: t.Final = ("pincex.zero_downtime.dns_weight", "pincex.zero_downtime.model_shadow")


class CallbackModule(CallbackBase):
    """Whoever sets the file reads it."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "bench_tasks"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._file = pathlib.Path(os.environ["PINCEX_BENCH_TASKS"])
        self._began: dict[tuple[str, str], float] = {}

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        self._began[(host.get_name(), task._uuid)] = time.time()

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._write(result, failed=False)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:  # noqa: ARG002 - Ansible gives it by its name
        self._write(result, failed=True)

    def _write(self, result: t.Any, *, failed: bool) -> None:
        now = time.time()
        host, task = result._host.get_name(), result._task
        line = {
            "task": task.name or task.get_name(),
            "began": self._began.get((host, task._uuid), now),
            "ended": now,
            "failed": failed,
            "result": result._result if str(task.action) in _KEPT else None,
        }
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")
