# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs and outcomes for the tests of how models are judged."""

from __future__ import annotations

import random

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_pairs import Matched, Outcome
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import Answer, Pair, Single

START = 1_000_000.0
#: Every request is older than its label is awaited.
NOW = START + 1e6


def answer(output: str | float | None = "a", ms: float = 10.0, score: float | None = None, error: str = "") -> Answer:
    return Answer(output, score, ms, error)


def pair(
    number: int = 0,
    champion: Answer | None = None,
    challenger: Answer | None = None,
    segment: str = "one",
    label: str | float | None = None,
) -> Pair:
    """One request a second."""
    at = START + number
    label_at = None if label is None else at
    return Pair(f"r{number:06d}", at, segment, champion or answer(), challenger or answer(), label, label_at)


def single(number: int = 0, given: Answer | None = None, label: str | float | None = None) -> Single:
    at = START + number
    return Single(f"s{number:06d}", at, "one", given or answer(), label, None if label is None else at)


def outcomes(worse: int, same: int, better: int, segment: str = "one") -> list[Outcome]:
    return [
        *([Outcome(segment, True, False)] * worse),
        *([Outcome(segment, True, True)] * same),
        *([Outcome(segment, False, True)] * better),
    ]


def world(
    pairs: int,
    *,
    champion: float = 0.87,
    challenger: float = 0.90,
    bad: float | None = None,
    slower: float = 1.0,
    errors: float = 0.0,
    seed: int = 1,
) -> Matched:
    """A request each second in ten segments; `bad`: how often the challenger is right in the last of them."""
    rng = random.Random(seed)
    found = []
    for number in range(pairs):
        segment = f"s{rng.randrange(10)}"
        right = bad if bad is not None and segment == "s9" else challenger
        found.append(
            pair(
                number,
                answer("a" if rng.random() < champion else "b", rng.lognormvariate(2, 0.5)),
                answer(
                    "a" if rng.random() < right else "b",
                    slower * rng.lognormvariate(2, 0.5),
                    error="timeout" if rng.random() < errors else "",
                ),
                segment,
                "a",
            )
        )
    return Matched(found)
