# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is judged against whom, since when, and what the challenger has by then."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_case import (
    Case,
    case_given,
    case_of_registry,
    case_of_route,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_promotion import applied
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_steps import Strategy
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_traffic import (
    Deployed,
    Note,
    Promoted,
    Stepped,
    Traffic,
    wanted,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.options import (
    ARGUMENT_SPEC,
    Options,
    options_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.registry import (
    Aliases,
    Entry,
    Registered,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.registry import (
    Note as Told,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_registry import VERSIONS
from module_docs import checked

BLUE: t.Final = Traffic({"blue": 100, "green": 0})
SOURCES: t.Final = [{"name": "records", "json_lines": {"url": "http://127.0.0.1:1"}}]
SAME: t.Final = "is {0}, and the challenger is {0} too; give the version that it is to be compared with"
WEIGHTS: t.Final[dict[Strategy, tuple[int, ...]]] = {
    "shadow": (0,),
    "canary": (5, 25, 50, 100),
    "ab": (30,),
    "direct": (100,),
}


def options(where: str = "registry", **more: t.Any) -> Options:
    place = {"route": {"route": {}}, "registry": {"registry": {"url": "http://127.0.0.1:1"}}}.get(where, {})
    base = {"model": "price", "context": "c", "namespace": "n", "state": "judged", "sources": SOURCES}
    return options_of(checked(ARGUMENT_SPEC, {**base, **place, **more}))


def deployed(strategy: Strategy, champion: str | None = "v1") -> tuple[Traffic, Note]:
    made = wanted(BLUE, None, Deployed("v2", champion, "green", strategy, WEIGHTS[strategy], 100.0, 20.0, "x-bucket"))
    assert made.note is not None and not made.problem
    return made.traffic, made.note


def entry(number: int, at: float, before: Aliases, after: Aliases, **more: t.Any) -> Entry:
    return Entry(f"e{number}", more.pop("action", "challenger"), "3", "anna", "", at, before, after, "done", **more)


CHALLENGED: t.Final = {"champion": "2", "previous_champion": "1", "challenger": "3"}
CROWNED: t.Final = {"champion": "3", "previous_champion": "2"}
FOUND: t.Final = Registered(CHALLENGED, (entry(1, 100.0, {"champion": "2", "previous_champion": "1"}, CHALLENGED),))


# -- in a region


@pytest.mark.parametrize(
    ("strategy", "mirrored", "serves"),
    [("shadow", 0.2, False), ("canary", 0.0, True), ("ab", 0.0, True), ("direct", 0.0, True)],
)
def test_what_the_route_gives_is_what_is_expected(strategy: Strategy, mirrored: float, serves: bool) -> None:
    traffic, note = deployed(strategy)
    case = case_of_route(options("route"), note, traffic)
    assert (case.champion, case.challenger, case.strategy, case.weights) == ("v1", "v2", strategy, WEIGHTS[strategy])
    assert (case.mirrored, case.serves, case.since, case.promoted) == (mirrored, serves, 100.0, False)
    assert case.weight == WEIGHTS[strategy][0]


@settings(deadline=None)
@given(st.integers(0, 3), st.integers(0, 1_000_000))
def test_a_step_is_judged_since_it_began(steps: int, later: int) -> None:
    traffic, note = deployed("canary")
    for step in range(1, steps + 1):
        made = wanted(traffic, note, Stepped(100.0 + 10 * step))
        assert made.note is not None
        traffic, note = made.traffic, made.note
    case = case_of_route(options("route"), note, traffic)
    assert (case.step, case.weight, case.since) == (steps, WEIGHTS["canary"][steps], 100.0 + 10 * steps)
    assert case.position(case.since + later).in_step_s == later
    # By a clock that is behind the one that wrote it.
    assert case.position(case.since - later).in_step_s == 0


def test_after_the_promotion_in_a_region() -> None:
    traffic, note = deployed("shadow")
    made = wanted(traffic, note, Promoted(500.0))
    assert made.note is not None
    case = case_of_route(options("route"), made.note, made.traffic)
    assert (case.promoted, case.weight, case.since, case.mirrored, case.serves) == (True, 100, 500.0, 0.0, True)


def test_what_the_task_gives_counts_more_than_the_note() -> None:
    traffic, note = deployed("shadow")
    case = case_of_route(options("route", champion="v0", since=7.0), note, traffic)
    assert (case.champion, case.since) == ("v0", 7.0)
    with pytest.raises(OptionError, match=r"^version: is v3, and the challenger here is v2"):
        case_of_route(options("route", version="v3"), note, traffic)


def test_a_note_without_a_champion() -> None:
    traffic, note = deployed("shadow", None)
    with pytest.raises(OptionError, match=r"^champion: needed: the note on the route does not say"):
        case_of_route(options("route"), note, traffic)


def test_nobody_is_compared_with_itself_in_a_region() -> None:
    traffic, note = deployed("shadow")
    with pytest.raises(OptionError) as caught:
        case_of_route(options("route", champion="v2"), note, traffic)
    assert caught.value.message == f"champion: {SAME.format('v2')}"


# -- in the fleet


def test_the_challenger_of_the_registry() -> None:
    case = case_of_registry(options(percent=20), FOUND, VERSIONS)
    assert case == Case("v2.0.0", "v2.1.0", "shadow", (0,), 0, 100.0, False, 0.2, False)
    # By its number too.
    assert case_of_registry(options(percent=20, version="3"), FOUND, VERSIONS) == case


def test_the_champion_that_was_promoted_is_watched() -> None:
    found = applied(FOUND, Told(entry(2, 900.0, CHALLENGED, CROWNED, action="promoted")))
    found = dataclasses.replace(found, aliases=CROWNED)
    case = case_of_registry(options(version="v2.1.0", strategy="canary"), found, VERSIONS)
    assert (case.champion, case.challenger, case.promoted, case.since) == ("v2.0.0", "v2.1.0", True, 900.0)
    assert (case.weight, case.mirrored, case.serves) == (100, 0.0, True)


def test_a_later_step_needs_its_beginning() -> None:
    with pytest.raises(OptionError, match=r"^since: needed with weight 25"):
        case_of_registry(options(strategy="canary", weight=25), FOUND, VERSIONS)
    case = case_of_registry(options(strategy="canary", weight=25, since=400.0), FOUND, VERSIONS)
    assert (case.step, case.weight, case.since, case.serves) == (1, 25, 400.0, True)
    # The first one is in the history.
    assert case_of_registry(options(strategy="canary", weight=5), FOUND, VERSIONS).since == 100.0


@pytest.mark.parametrize(
    ("aliases", "given_", "said"),
    [
        ({"champion": "2"}, {}, "version: needed: no version has the alias challenger"),
        ({"challenger": "3"}, {}, "champion: needed: no version has the alias champion"),
        ({"champion": "3"}, {"version": "v2.1.0"}, "champion: needed: no version has the alias previous_champion"),
        (CHALLENGED, {}, "since: needed: the history of the registry does not say since when v2.1.0 has its alias"),
    ],
)
def test_what_nobody_knows_is_asked_for(aliases: Aliases, given_: dict[str, t.Any], said: str) -> None:
    with pytest.raises(OptionError) as caught:
        case_of_registry(options(**given_), Registered(aliases), VERSIONS)
    assert caught.value.message == said


def test_a_version_that_nobody_registered() -> None:
    with pytest.raises(ReleaseError, match="is not in the registry"):
        case_of_registry(options(version="v9"), FOUND, VERSIONS)


def test_a_champion_by_its_number_is_that_of_its_name() -> None:
    case = case_of_registry(options(champion="1"), FOUND, VERSIONS)
    assert case == case_of_registry(options(champion=VERSIONS[0].name), FOUND, VERSIONS)
    assert case.champion == VERSIONS[0].name
    with pytest.raises(ReleaseError, match="is not in the registry"):
        case_of_registry(options(champion="v9"), FOUND, VERSIONS)


@pytest.mark.parametrize("champion", ["v2.1.0", "3"])
def test_nobody_is_compared_with_itself_in_the_fleet(champion: str) -> None:
    with pytest.raises(OptionError) as caught:
        case_of_registry(options(champion=champion), FOUND, VERSIONS)
    assert caught.value.message == f"champion: {SAME.format('v2.1.0')}"


def test_a_challenger_that_came_twice_is_judged_since_the_second_time() -> None:
    without = {"champion": "2", "previous_champion": "1"}
    history = (*FOUND.history, entry(2, 200.0, CHALLENGED, without), entry(3, 300.0, without, CHALLENGED))
    assert case_of_registry(options(), Registered(CHALLENGED, history), VERSIONS).since == 300.0


def test_what_the_task_says_alone() -> None:
    case = case_given(options("", version="v2", champion="v1", since=5.0, strategy="ab", percent=30))
    assert case == Case("v1", "v2", "ab", (30,), 0, 5.0, False, 0.0, True)
