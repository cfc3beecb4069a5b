# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection installs as built, lists its modules, and its playbooks run by name."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from elsewhere import ROOT, Elsewhere

MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
ROLES = sorted(path.name for path in (ROOT / "roles").glob("*") if path.is_dir())
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
INVENTORIES = sorted(path.name for path in (ROOT / "inventories").glob("*") if path.is_dir())
#: Top-level names that an operator needs. What is not here stays in the repository.
SHIPS = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "FILES.json",
    "LICENSES",
    "MANIFEST.json",
    "README.md",
    "REUSE.toml",
    "bindep.txt",
    "changelogs",
    "docs",
    "extensions",
    "meta",
    "playbooks",
    "plugins",
    "requirements.txt",
    "requirements.yml",
    "roles",
}


def test_there_is_something_to_ship() -> None:
    assert {"k8s_revision", "k8s_rollout_gate", "k8s_traffic", "release_journal"} <= set(MODULES)
    assert {"deploy", "rollback", "validate", "report"} <= set(PLAYBOOKS)
    assert {"development", "staging", "production", "lab"} <= set(INVENTORIES)


def test_only_what_an_operator_needs_is_in_the_artefact(members: frozenset[str]) -> None:
    assert {name.split("/")[0] for name in members} <= SHIPS
    assert not [name for name in members if name.endswith((".pyc", ".tar.gz")) or "/." in name]


def test_everything_of_the_collection_is_in_the_artefact(members: frozenset[str]) -> None:
    for folder in ("plugins", "roles", "playbooks", "meta"):
        files = [
            p.relative_to(ROOT).as_posix()
            for p in (ROOT / folder).rglob("*")
            if p.is_file() and "__pycache__" not in p.parts
        ]
        assert not set(files) - members


def test_every_text_of_the_artefact_is_free_of_paths_of_a_machine(elsewhere: Elsewhere) -> None:
    for path in elsewhere.collection.rglob("*"):
        if path.suffix in {".py", ".yml", ".md", ".j2", ".txt"}:
            assert not re.search(r"/home/\w|/Users/\w|/root/", path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("module", MODULES)
def test_module_is_listed_and_documented(elsewhere: Elsewhere, module: str) -> None:
    name = f"pincex.zero_downtime.{module}"
    listed = elsewhere.run("ansible-doc", "-l", "pincex.zero_downtime")
    assert name in listed.stdout, listed.stderr
    shown = elsewhere.run("ansible-doc", "-t", "module", "-j", name)
    assert shown.returncode == 0, shown.stderr
    documentation = json.loads(shown.stdout)[name]
    assert documentation["examples"] and documentation["return"]
    for option, text in documentation["doc"]["options"].items():
        assert text.get("description"), option


@pytest.mark.parametrize("role", ROLES)
def test_role_is_documented(elsewhere: Elsewhere, role: str) -> None:
    name = f"pincex.zero_downtime.{role}"
    shown = elsewhere.run("ansible-doc", "-t", "role", "-j", name)
    assert shown.returncode == 0, shown.stderr
    entry_points = json.loads(shown.stdout)[name]["entry_points"]
    assert entry_points and all(entry["short_description"] for entry in entry_points.values())


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_playbook_is_found_by_name(elsewhere: Elsewhere, playbook: str) -> None:
    inventory = str(ROOT / "inventories" / "production")
    done = elsewhere.run("ansible-playbook", "--syntax-check", "-i", inventory, f"pincex.zero_downtime.{playbook}")
    assert done.returncode == 0, done.stderr
    # Found in the installed collection and not in this tree.
    assert playbook in done.stdout


@pytest.mark.parametrize("inventory", [name for name in INVENTORIES if name != "lab"])
def test_inventory_is_a_complete_example(elsewhere: Elsewhere, inventory: str) -> None:
    done = elsewhere.run("ansible-inventory", "-i", str(ROOT / "inventories" / inventory), "--list")
    assert done.returncode == 0, done.stderr
    hosts = json.loads(done.stdout)
    assert hosts["regions"]["hosts"] and len(hosts["fleet"]["hosts"]) == 1


def test_every_module_that_asks_a_cluster_is_in_the_action_group(elsewhere: Elsewhere) -> None:
    names = [f"pincex.zero_downtime.{module}" for module in MODULES]
    documentation = json.loads(elsewhere.run("ansible-doc", "-t", "module", "-j", *names).stdout)
    asks = {name.rsplit(".", 1)[1] for name in names if "context" in documentation[name]["doc"]["options"]}
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert set(runtime["action_groups"]["cluster"]) == asks
