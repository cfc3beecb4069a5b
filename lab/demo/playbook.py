# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a playbook of the collection on a lab, as an operator would."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

CHECKOUT: t.Final = pathlib.Path(__file__).resolve().parents[2]
BIN: t.Final = pathlib.Path(sys.executable).parent


class Playbooks:
    """`run("deploy", release_version="v2")`; the reports of releases go into `reports`."""

    def __init__(self, lab: str, reports: pathlib.Path) -> None:
        self._lab = lab
        self.reports = reports

    def command(self, name: str, *more: str, **variables: str) -> list[str]:
        extra = {"release_reports": str(self.reports), **variables}
        return [
            str(BIN / "ansible-playbook"),
            f"pincex.zero_downtime.{name}",
            "-i",
            str(CHECKOUT / "inventories" / "lab"),
            "-e",
            json.dumps(extra),
            *more,
        ]

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PINCEX_LAB": self._lab,
            "ANSIBLE_COLLECTIONS_PATH": str(BIN.parent / "collections"),
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        }

    def run(self, name: str, *more: str, **variables: str) -> int:
        """Its exit code; its lines go straight to the terminal."""
        command = self.command(name, *more, **variables)
        return subprocess.run(command, env=self.environment(), cwd=CHECKOUT, check=False).returncode

    def newest_report(self, known: set[pathlib.Path]) -> dict[str, t.Any] | None:
        """The report that was written since `known` was listed."""
        fresh = sorted(self.list_reports() - known)
        return t.cast("dict[str, t.Any]", json.loads(fresh[-1].read_text())) if fresh else None

    def list_reports(self) -> set[pathlib.Path]:
        return set(self.reports.glob("*.json"))
