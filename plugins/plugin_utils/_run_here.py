# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module's own code in the controller's process, with live lines.

A module cannot print while it works, and a task that starts a new process imports everything again. So where the
connection is local (a region is such a host) the same `run` is called right here; elsewhere the module is executed.
"""

from __future__ import annotations

import os
import typing as t
from collections.abc import Mapping

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import controller
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import JsonObject, Run, execute, failure
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._ahead import import_filters
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._plain import plain

import_filters()


class RunHere(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """Base of the action plugins. A subclass sets the three names, as its module does."""

    ARGUMENT_SPEC: t.ClassVar[Mapping[str, t.Any]]
    EMPTY_RESULT: t.ClassVar[Mapping[str, t.Any]] = {}
    #: A staticmethod: run(params, *, check_mode, diff, clock, progress).
    RUN: t.ClassVar[Run]

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> JsonObject:
        result: JsonObject = super().run(tmp, task_vars)
        given = self.prepare(plain(self._task.args))
        checked = ArgumentSpecValidator(dict(self.ARGUMENT_SPEC)).validate(given)
        if checked.error_messages:
            # The validator names only the options that do exist.
            unknown = [f"{name}: no such option" for name in sorted(checked.unsupported_parameters)]
            text = "; ".join(unknown or checked.error_messages)
            return {**result, **failure(ReleaseError(text, kind="option", system="input"), self.EMPTY_RESULT)}
        if self._connection.transport != "local":
            executed: JsonObject = self._execute_module(module_args=given, task_vars=task_vars)
            return {**result, **executed}
        params = checked.validated_parameters
        outcome = execute(
            type(self).RUN,
            params,
            check_mode=self._task.check_mode,
            diff=self._task.diff,
            clock=SystemClock(),
            progress=_printer(str(params.get("region") or params.get("context") or "")),
            empty=self.EMPTY_RESULT,
        )
        return {**result, **outcome}

    def prepare(self, given: dict[str, t.Any]) -> dict[str, t.Any]:
        """What the controller knows and the module cannot: a subclass adds it to the options."""
        return given


def controller_option() -> JsonObject:
    """The playbook's own process. Ansible forks a worker for each task, so it is the parent of this one."""
    pid = os.getppid()
    return {"pid": pid, "started": controller.started(pid)}


def _printer(region: str) -> Progress:
    display = Display()
    prefix = f"[{region}] " if region else ""

    def say(line: str) -> None:
        display.display(prefix + line)

    return say
