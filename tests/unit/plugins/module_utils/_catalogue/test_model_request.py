# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks for models are asked for."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model_request import (
    model_request,
    service_entry,
    unfinished_request,
)
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, t.Any]
MODELS: t.Final[Json] = {
    "fraud": {
        "image": "registry/models",
        "replicas": 3,
        "model": {"registry": "fraud-eu", "mirror": {"paths": ["/predict"]}, "steps": [10, 100], "percent": 5},
    },
    "risk": {"image": "registry/models"},
}


def asked(kind: str = "deploy", **more: t.Any) -> Json:
    told = {"kind": kind, "model": "fraud", "version": "v2", "models": MODELS, "registry": {"url": "http://mlflow"}}
    return model_request({**told, "sources": [{"name": "s"}], "hosts": ["a", "b"], "play": ["a", "b"], **more})


def test_what_a_survey_asks_is_understood() -> None:
    found = asked(model=" fraud ", strategy="canary", steps="5, 25,100", reason=" weekly ", override="egress, token")
    assert found["problems"] == []
    assert (found["model"], found["weights"], found["percent"]) == ("fraud", [5, 25, 100], None)
    assert (found["reason"], found["override"]) == ("weekly", ["egress", "token"])
    assert found["registry"] == {"url": "http://mlflow", "model": "fraud-eu"}
    assert found["options"] == {"mirror": {"paths": ["/predict"]}}
    assert found["service"] == {"image": "registry/models", "replicas": 3}
    # A question that nobody answered is empty.
    empty = asked(strategy="", steps="", percent="", force="", reason="", interval_s="", watch_s="", auto_promote="")
    assert (empty["problems"], empty["strategy"], empty["force"]) == ([], "shadow", False)
    assert (empty["percent"], empty["weights"], empty["reason"]) == (5, None, "deploy_model.yml")
    assert (empty["interval_s"], empty["watch_s"], empty["auto_promote"]) == (60, 3600, False)


def test_the_entry_of_the_model_says_what_nobody_asked_for() -> None:
    assert asked(strategy="canary")["weights"] == [10, 100]
    assert asked(strategy="canary", model="risk")["weights"] == [5, 25, 50, 100]
    assert asked(percent="12.5")["percent"] == 12.5
    assert asked(strategy="ab", percent="20")["percent"] == 20
    # Its percent is that of a shadow or an A/B test, and direct has none.
    direct = asked(strategy="direct", reason="the old one is wrong")
    assert (direct["problems"], direct["percent"], direct["weights"]) == ([], None, None)


@pytest.mark.parametrize(
    ("kind", "more", "problem"),
    [
        ("deploy", {"model": "frud"}, "model: unknown model frud; did you mean fraud?"),
        ("deploy", {"model": ""}, "model: missing; say which one with -e model=NAME."),
        ("deploy", {"version": ""}, "version: missing; say which one with -e version=TAG."),
        ("deploy", {"version": "a b"}, "version: 'a b' is no image tag."),
        ("deploy", {"strategy": "canry"}, "strategy: 'canry' is unknown; use shadow, canary, ab or direct."),
        ("deploy", {"strategy": "canary", "steps": "50,10,100"}, "steps: 50, 10, 100 do not rise"),
        ("deploy", {"strategy": "canary", "steps": "5,50"}, "steps: canary ends with 100"),
        ("deploy", {"strategy": "canary", "steps": "2.5,100"}, "steps: 2.5, 100: a route takes whole percents."),
        ("deploy", {"strategy": "canary", "percent": "5"}, "percent: of a shadow or an A/B test, and canary has none."),
        ("deploy", {"steps": "5,100"}, "steps: of a canary, and shadow has none."),
        ("deploy", {"percent": "200"}, "percent: 200 is more than 100 percent"),
        ("deploy", {"strategy": "ab", "percent": "2.5"}, "percent: 2.5: there are 100 buckets"),
        ("deploy", {"strategy": "direct"}, "reason: missing; strategy=direct asks for no evidence"),
        ("promote", {"force": "true"}, "reason: missing; force=true asks for no evidence"),
        ("promote", {"force": "maybe"}, "force: 'maybe' is neither true nor false."),
        ("promote", {"sources": []}, "model_sources: empty, so nobody can judge"),
        ("promote", {"play": ["a"]}, "--limit: it leaves out b, and a champion is one for all regions"),
        ("watch", {"play": ["a"]}, "--limit: it leaves out b"),
        ("watch", {"interval_s": "soon"}, "interval_s: 'soon' is no number of seconds."),
        ("watch", {"interval_s": "0"}, "interval_s: '0' is no number of seconds, from 1."),
        ("rollback", {"play": []}, "--limit: it leaves out every region; name one of them."),
        (
            "rollback",
            {"release_confirm": "yes"},
            "confirm: missing; this environment wants a change of a model confirmed",
        ),
        ("deploy", {"services": {"fraud": {}}}, "models.fraud: services.fraud has the same name, and both would write"),
        ("status", {"models": {}}, "models: empty; this environment has no models."),
        ("status", {"models": ["fraud"]}, "models: use a mapping of models by their names."),
        ("status", {"models": {"x": {"image": "a", "model": {"steeps": []}}}}, "models.x.model.steeps: unknown option"),
        ("status", {"models": {"x": {"image": "a", "strategy": "canary"}}}, "models.x.strategy: not for a model."),
        (
            "status",
            {"models": {"x": {"image": "a:v1"}}},
            "models.x.image: a:v1 has a tag; the release adds the version.",
        ),
        (
            "status",
            {"models": {"x": {"image": "a", "model": {"mirror": ["/p"]}}}},
            "models.x.model.mirror: use a mapping",
        ),
    ],
)
def test_what_is_wrong_is_named(kind: str, more: Json, problem: str) -> None:
    problems = asked(kind, **{"model": "" if kind == "status" else "fraud", **more})["problems"]
    assert any(problem in one for one in problems), problems


def test_a_way_back_needs_nothing_but_the_model() -> None:
    found = asked("rollback", version="", sources=[], registry={}, play=["a"])
    assert (found["problems"], found["whole"], found["registry"]) == ([], False, None)
    assert asked("rollback", services={"fraud": {}})["problems"] == []
    # And a person may promote without anybody who can judge.
    assert asked("promote", sources=[], force="yes", reason="the old one is wrong")["problems"] == []


def test_status_is_of_all_models() -> None:
    assert asked("status", model="", version="")["models"] == ["fraud", "risk"]
    assert asked("status", version="")["models"] == ["fraud"]


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.one_of(
                st.none(), st.text(max_size=8), st.integers(), st.booleans(), st.lists(st.integers(), max_size=2)
            )
            for name in ("model", "version", "strategy", "percent", "steps", "force", "interval_s", "watch_s", "models")
        },
    ),
    st.sampled_from(["deploy", "promote", "rollback", "watch", "status"]),
)
def test_whatever_is_typed_gives_problems_and_no_exception(typed: Json, kind: str) -> None:
    found = asked(kind, **typed)
    assert all(isinstance(one, str) and one.endswith((".", "?")) for one in found["problems"])


def test_what_was_broken_off_is_known_by_its_journal_alone() -> None:
    finish = {"state": "deployed", "model": "gone", "version": "v2", "slot": None, "reason": "weekly"}
    found = unfinished_request(finish, MODELS, {"url": "u"})
    assert (found["version"], found["registry"]) == ("v2", {"url": "u", "model": "gone"})
    assert unfinished_request({**finish, "model": "fraud"}, MODELS, {"url": "u"})["registry"]["model"] == "fraud-eu"
    assert unfinished_request(finish, {}, {})["registry"] is None
    assert (found["service"], unfinished_request({**finish, "model": "risk"}, MODELS, {})["service"]) == (
        {},
        {"image": "registry/models"},
    )


def test_an_entry_is_one_of_the_services_without_its_block() -> None:
    assert service_entry(MODELS["risk"]) == {"image": "registry/models"}
    assert service_entry(None) == {}
