# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What looks and changes make of a watch over a model."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model_watch import (
    after_change,
    after_look,
)
from hypothesis import given
from hypothesis import strategies as st

REQUEST: t.Final = {"model": "fraud"}
WORDS: t.Final = (
    *("untouched", "refused", "failed", "unreachable", "stuck"),
    *("stepped", "promoted", "rolled_back", "taken_back", "checked"),
)
VERDICTS = st.dictionaries(st.sampled_from(["us", "eu", "ap"]), st.sampled_from(WORDS), min_size=1)
TOLD = st.sampled_from(["", "deploy r7 is unfinished"])


def change(verdicts: dict[str, str], act: str, **given: t.Any) -> dict[str, t.Any]:
    return after_change(verdicts, REQUEST, "v2", act, **given)


def away(system: str) -> dict[str, t.Any]:
    return {"error": {"kind": "unreachable", "system": system}, "reason": "it is away"}


def test_a_look_that_could_judge_is_a_good_one() -> None:
    assert after_look({"verdict": "hold"}, REQUEST, "v2", ["us", "eu"], "us") == {"wrong": "", "eye": "us"}


def test_a_look_that_could_not_says_what_is_wrong_and_another_region_is_read_where_that_may_help() -> None:
    source = after_look(away("redis"), REQUEST, "v2", ["us", "eu"], "us")
    assert source == {
        "wrong": "fraud v2 is not watched any more, the last look could not judge: it is away. Mend that, and run it "
        "again",
        "eye": "us",
    }
    assert after_look(away("kubernetes"), REQUEST, "v2", ["us", "eu"], "us")["eye"] == "eu"
    assert after_look(away("kubernetes"), REQUEST, "v2", ["us", "eu"], "eu")["eye"] == "us"
    assert after_look(away("kubernetes"), REQUEST, "v2", ["eu"], "us")["eye"] == "eu"
    assert after_look(away("kubernetes"), REQUEST, "v2", [], "us")["eye"] == "us"


def test_a_region_that_has_another_challenger_or_none_is_not_read_again_before_the_others() -> None:
    """It was taken back there, and one that was away has the version still."""
    nobody = {"verdict": "none", "reason": "", "error": None}
    assert after_look(nobody, REQUEST, "v2", ["us", "eu"], "us") == {"wrong": "", "eye": "eu"}
    assert after_look(nobody, REQUEST, "v2", ["us"], "us") == {"wrong": "", "eye": "us"}
    another = {"error": {"kind": "option", "system": "input"}, "reason": "version: is v2, the challenger here is v3"}
    seen = after_look(another, REQUEST, "v2", ["us", "eu"], "us")
    assert seen["eye"] == "eu" and "the challenger here is v3" in seen["wrong"]


@given(VERDICTS, st.sampled_from(["step", "promote", "rollback"]), TOLD, st.booleans())
def test_a_watch_goes_on_only_where_the_next_look_may_help(
    verdicts: dict[str, str], act: str, problem: str, check: bool
) -> None:
    end = change(verdicts, act, problem=problem, reason="worse", check=check)
    if "stuck" in verdicts.values() and act == "rollback":
        assert end["over"]
    if act == "rollback":
        assert end["wrong"], "one that was taken back is no good end"
        assert end["over"] or end["eye"] in verdicts
    else:
        assert bool(end["wrong"]) is bool(problem)
    # Whatever went wrong is said, now or at the end.
    assert problem in end["wrong"] and (not problem or end["over"] or problem in end["say"])


@pytest.mark.parametrize(
    ("verdicts", "act", "given", "over", "wrong"),
    [
        ({"us": "stepped"}, "step", {}, False, ""),
        (
            {"us": "refused", "eu": "failed"},
            "step",
            {"problem": "deploy r7 is unfinished"},
            False,
            "fraud v2 is not watched any more, the last look could change nothing: deploy r7 is unfinished. Run it "
            "again",
        ),
        ({"us": "taken_back", "eu": "taken_back"}, "step", {"problem": "no pods"}, True, "no pods"),
        ({"us": "rolled_back"}, "rollback", {"reason": "worse"}, True, "fraud v2 was taken back: worse"),
        (
            {"us": "checked"},
            "rollback",
            {"reason": "worse", "check": True},
            True,
            "fraud v2 would be taken back: worse",
        ),
        (
            {"us": "checked", "eu": "unreachable"},
            "rollback",
            {"reason": "worse", "check": True, "problem": "eu is away"},
            True,
            "fraud v2 would be taken back in us and not in eu: worse. eu is away",
        ),
        (
            {"us": "rolled_back", "eu": "refused"},
            "rollback",
            {"reason": "worse", "problem": "ben is at work"},
            False,
            "fraud v2 was taken back in us and not in eu: worse. ben is at work",
        ),
        (
            {"us": "refused", "eu": "refused"},
            "rollback",
            {"reason": "worse", "problem": "ben is at work"},
            False,
            "fraud v2 could not be taken back in us, eu: worse. ben is at work",
        ),
        (
            {"us": "rolled_back", "eu": "stuck"},
            "rollback",
            {"reason": "worse", "problem": "run recover.yml"},
            True,
            "fraud v2 was taken back in us and not in eu: worse. run recover.yml",
        ),
    ],
)
def test_what_it_ends_with(verdicts: dict[str, str], act: str, given: dict[str, t.Any], over: bool, wrong: str) -> None:
    end = change(verdicts, act, **given)
    assert (end["over"], end["wrong"]) == (over, wrong)
