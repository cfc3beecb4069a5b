# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print and write the report of a release. On the controller: the terminal and the files are there."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.history import (
    history,
    history_lines,
    journal_lines,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.status import progress_line, status_lines
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.table import closing_table, markdown

ARGUMENT_SPEC: t.Final = {
    "report": {"type": "dict"},
    "directory": {"type": "path"},
    "history": {"type": "dict"},
    "journals": {"type": "dict", "default": {}},
    "status": {"type": "dict"},
    "progress": {"type": "dict"},
    "say": {"type": "str"},
    "environment": {"type": "str", "default": ""},
    "output": {"type": "path"},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """Entry of the task."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _valid, given = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        files: list[str] = []
        if given["say"]:
            Display().display(given["say"])
            return {**result, "changed": False, "files": files, "lines": [given["say"]], "data": {}}
        if given["progress"]:
            Display().display(progress_line(given["progress"]))
            return {**result, "changed": False, "files": files, "lines": [], "data": given["progress"]}
        report = given["report"]
        data, lines = _told(given)
        Display().display("\n" + "\n".join(lines) + "\n")
        if given["output"] and not self._task.check_mode:
            files.append(_output(pathlib.Path(given["output"]), _json(data)))
        if report and given["directory"] and not self._task.check_mode:
            folder = pathlib.Path(given["directory"])
            folder.mkdir(parents=True, exist_ok=True)
            files += [
                _write(folder / f"{report['id']}.json", _json(report)),
                _write(folder / f"{report['id']}.md", markdown(report)),
            ]
        # A report is no change of the environment.
        result.update(changed=False, files=files, lines=lines, data=data)
        return result


def _told(given: dict[str, t.Any]) -> tuple[dict[str, t.Any], list[str]]:
    """What is known, for a program and for the terminal."""
    if given["report"]:
        return given["report"], closing_table(given["report"])
    if given["status"]:
        return given["status"], status_lines(given["status"])
    found, journals = given["history"] or {}, journal_lines(given["journals"])
    if found.get("error"):
        return {}, [f"the history cannot be read: {found['msg']}", *journals]
    known = history(found, given["environment"])
    return known, [*history_lines(known), *journals]


def _json(data: t.Any) -> str:
    return json.dumps(data, indent=2, sort_keys=True, default=str) + "\n"


def _output(path: pathlib.Path, text: str) -> str:
    try:
        return _write(path, text)
    except OSError as error:
        raise AnsibleActionFail(f"output: {path} cannot be written: {error.strerror}") from error


def _write(path: pathlib.Path, text: str) -> str:
    """Write whole or not at all: a killed run leaves no half report."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return str(path)
