# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A comparison with everything on its page, for the tests of the report."""

from __future__ import annotations

import dataclasses
import random

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_comparison import Rules
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import (
    CoverageRule,
    LabelRule,
    Matched,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_steps import Ladder, Position
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_window import Begin
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.evidence import Counts, Evidence
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.judge import Judgement, judged
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.report import Subject, page
from model_samples import NOW, START, world

#: Would change the title of a page that runs it, and ask for a picture.
HOSTILE = "<script>document.title='ran'</script><img src=http://127.0.0.1:9/x onerror=\"document.title='ran'\">"
BEGIN = Begin(0, START, 3600.0)
RULES = Rules(CoverageRule(1.0), LabelRule(60.0))
SUBJECT = Subject("price-prediction", "v2.0.0", "v2.1.0", "canary", 25, "us-east-1", START, NOW)


def evidence(pairs: int = 2000, **changes: float) -> Evidence:
    """In one of ten segments, with the hostile name, the challenger is worse; both have scores."""
    rng = random.Random(7)
    made = []
    for pair in world(pairs, errors=0.002, **changes).pairs:  # type: ignore[arg-type]  # a seed is whole
        champion, challenger = (
            dataclasses.replace(one, score=rng.gauss(middle, 0.1))
            for one, middle in ((pair.champion, 0.5), (pair.challenger, 0.6))
        )
        segment = HOSTILE if pair.segment == "s9" else pair.segment
        made.append(dataclasses.replace(pair, champion=champion, challenger=challenger, segment=segment))
    counts = Counts(pairs, pairs, pairs, unreadable=3, warnings=(f"source market: 3 records, the first: {HOSTILE}",))
    return Evidence(Matched(made), [rng.gauss(0.5, 0.1) for _number in range(2000)], counts, BEGIN)


def judgement(given: Evidence, rules: Rules = RULES) -> Judgement:
    return judged(given, rules, Ladder("canary", (5, 25, 50, 100)), Position(1, 700.0), NOW)


def sample(pairs: int = 2000, **changes: float) -> str:
    """The whole page."""
    given = evidence(pairs, **changes)
    return page(SUBJECT, given, RULES, judgement(given))
