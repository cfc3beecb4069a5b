# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation says is what the module takes and returns."""

from __future__ import annotations

from ansible_collections.pincex.zero_downtime.plugins.action.release_journal import ActionModule
from ansible_collections.pincex.zero_downtime.plugins.doc_fragments import _cluster, _unreachable
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.run import ARGUMENT_SPEC, EMPTY_RESULT
from ansible_collections.pincex.zero_downtime.plugins.modules import release_journal
from module_docs import options_are_documented, result_is_documented


def test_every_option_is_documented_as_it_is() -> None:
    options_are_documented(release_journal, (_cluster, _unreachable), ARGUMENT_SPEC)


def test_every_key_of_the_result_is_documented() -> None:
    result_is_documented(release_journal, EMPTY_RESULT)


def test_the_action_plugin_adds_the_playbooks_own_process() -> None:
    action = ActionModule.__new__(ActionModule)
    given = action.prepare({"state": "read"})
    assert given["controller"]["pid"] > 0
    assert action.prepare({"controller": {"pid": 7, "started": ""}})["controller"]["pid"] == 7
