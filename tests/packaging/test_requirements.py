# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is imported is asked for, and what is asked for is pinned."""

from __future__ import annotations

import ast
import importlib.metadata
import pathlib
import re
import sys

import pytest
from elsewhere import ROOT

#: Names that are ours: the collection, the lab, helpers of tests.
OURS = {"ansible_collections", "bench", "chaos", "lab", "exchange", "tests", "tools"}


def _name(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


def _asked(path: pathlib.Path) -> set[str]:
    """Names of the distributions in a requirements file, those of the files that it includes as well."""
    names: set[str] = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            names |= _asked(path.parent / line.removeprefix("-r ").strip())
        elif match := re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line):
            names.add(_name(match.group()))
    return names


def _imported(path: pathlib.Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - OURS


def _missing(folder: str, asked: set[str]) -> dict[str, list[str]]:
    distributions = importlib.metadata.packages_distributions()
    files = sorted((ROOT / folder).rglob("*.py"))
    # make bench-drain runs the services of tests/drain; what is shipped knows no helper of a test.
    near = [] if folder.startswith("plugins") else (ROOT / "tests").rglob("*.py")
    helpers = {path.stem for path in [*files, *near]}
    missing: dict[str, list[str]] = {}
    for path in files:
        for name in _imported(path) - helpers:
            if not asked & {_name(distribution) for distribution in distributions.get(name, [])}:
                missing.setdefault(name, []).append(path.relative_to(ROOT).as_posix())
    return missing


def _needed_by(distribution: str) -> set[str]:
    found = (re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line) for line in importlib.metadata.requires(distribution) or [])
    return {_name(match.group()) for match in found if match}


def test_modules_import_only_what_requirements_ask_for() -> None:
    asked = _asked(ROOT / "requirements.txt") | {"ansible-core"}
    assert _missing("plugins/modules", asked) == {}
    assert _missing("plugins/module_utils", asked) == {}


def test_plugins_of_the_controller_also_import_what_ansible_itself_needs() -> None:
    asked = _asked(ROOT / "requirements.txt") | {"ansible-core"} | _needed_by("ansible-core")
    assert _missing("plugins", asked) == {}


@pytest.mark.parametrize("folder", ["bench", "chaos", "lab", "tests", "tools"])
def test_everything_else_imports_only_what_the_environment_asks_for(folder: str) -> None:
    assert _missing(folder, _asked(ROOT / "requirements-dev.txt")) == {}


def test_every_requirement_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==\S+", line) for line in lines if line and not line.startswith("#"))
    assert _asked(ROOT / "requirements-dev.txt") <= _asked(ROOT / "constraints.txt")
