# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print and write the report of a release. On the controller: the terminal and the files are there."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.history import history_lines
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.table import closing_table, markdown

ARGUMENT_SPEC: t.Final = {
    "report": {"type": "dict"},
    "directory": {"type": "path"},
    "history": {"type": "dict"},
    "journals": {"type": "dict", "default": {}},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Entry of the task."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _valid, given = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        report = given["report"]
        lines = closing_table(report) if report else history_lines(given["history"] or {}, given["journals"])
        Display().display("\n" + "\n".join(lines) + "\n")
        files: list[str] = []
        if report and given["directory"] and not self._task.check_mode:
            folder = pathlib.Path(given["directory"])
            folder.mkdir(parents=True, exist_ok=True)
            files = [
                _write(
                    folder / f"{report['id']}.json", json.dumps(report, indent=2, sort_keys=True, default=str) + "\n"
                ),
                _write(folder / f"{report['id']}.md", markdown(report)),
            ]
        # A report is no change of the environment.
        result.update(changed=False, files=files, lines=lines)
        return result


def _write(path: pathlib.Path, text: str) -> str:
    """Write whole or not at all: a killed run leaves no half report."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return str(path)
