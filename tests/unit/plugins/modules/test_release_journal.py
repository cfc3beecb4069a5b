# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation says is what the module takes and returns."""

from __future__ import annotations

import typing as t

import yaml
from ansible_collections.pincex.zero_downtime.plugins.action.release_journal import ActionModule
from ansible_collections.pincex.zero_downtime.plugins.doc_fragments import _cluster, _unreachable
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.run import ARGUMENT_SPEC, EMPTY_RESULT
from ansible_collections.pincex.zero_downtime.plugins.modules import release_journal


def test_every_option_is_documented_as_it_is() -> None:
    documented: dict[str, t.Any] = {
        **yaml.safe_load(release_journal.DOCUMENTATION)["options"],
        **yaml.safe_load(_cluster.ModuleDocFragment.DOCUMENTATION)["options"],
        **yaml.safe_load(_unreachable.ModuleDocFragment.DOCUMENTATION)["options"],
    }
    assert documented.keys() == ARGUMENT_SPEC.keys()
    for name, spec in ARGUMENT_SPEC.items():
        said = documented[name]
        assert said["type"] == spec["type"], name
        assert said.get("default") == spec.get("default"), name
        assert said.get("required", False) == spec.get("required", False), name
        assert list(said.get("choices") or []) == list(spec.get("choices") or []), name


def test_every_key_of_the_result_is_documented() -> None:
    assert yaml.safe_load(release_journal.RETURN).keys() == {*EMPTY_RESULT, "error"}


def test_the_action_plugin_adds_the_playbooks_own_process() -> None:
    action = ActionModule.__new__(ActionModule)
    given = action.prepare({"state": "read"})
    assert given["controller"]["pid"] > 0
    assert action.prepare({"controller": {"pid": 7, "started": ""}})["controller"]["pid"] == 7
