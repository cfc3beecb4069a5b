# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of the roles: which argument goes where."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.filter.release import FilterModule

FILTERS: t.Final = FilterModule().filters()


def test_the_decision_that_stands_is_found_in_what_the_journal_says() -> None:
    journal = {"release": {"id": "r7"}, "decision": {"decision": "keep"}}
    assert FILTERS["standing_decision"](journal, "deploy", "r7") == "keep"
    assert FILTERS["standing_decision"](journal, "deploy", "r8") == "undo"
    # What release_journal returns when it fails.
    assert FILTERS["standing_decision"]({"release": None, "decision": None}, "rollback", "r7") == "keep"


def test_numbers_that_ansible_made_text_are_numbers() -> None:
    assert FILTERS["absent_revision"]([{"number": 2}], "2", "us-east-1") is None
