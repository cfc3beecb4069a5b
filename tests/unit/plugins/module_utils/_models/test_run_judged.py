# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A judgement of model_shadow, from its options to its result: who is judged, since when, and what is done with it."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models import evidence, registries, run, sources
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_comparison import SHARES
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_evidence import lower_bound
from shadow_world import MODEL, REGISTRY, ROUTE, SOON, SOURCES, ShadowWorld, bad, good

NOW = 1_800_000_000.0
#: Enough for the 99th percentile.
PAIRS = 2000
ASKED: dict[str, t.Any] = {"sources": SOURCES, "judge": SOON}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> ShadowWorld:
    return ShadowWorld(monkeypatch)


@pytest.fixture
def shadowed(world: ShadowWorld) -> ShadowWorld:
    """A shadow of everything, 60 s old, with pairs that agree."""
    good(world.region("deployed", percent=100))
    world.source.pairs(PAIRS, NOW, 59.0)
    world.clock.elapsed += 60
    for server in world.servers.values():
        server.requests.clear()
    return world


def test_a_region_knows_who_is_judged_and_since_when(shadowed: ShadowWorld) -> None:
    told = good(shadowed.region("judged", **ASKED))
    assert told["judged"] == {
        "champion": "v2.0.0",
        "challenger": "v2.1.0",
        "strategy": "shadow",
        "weight": 0,
        "since": "2027-01-15T08:00:00Z",
        "promoted": False,
        "evidence_since": "2027-01-15T08:00:00Z",
    }
    assert (told["verdict"], told["next"]["action"]) == ("pass", "ready"), told["reason"]
    assert told["reason"].startswith(f"{MODEL} in us-east-1: v2.1.0: ")
    assert (told["coverage"]["paired"], told["coverage"]["mirrored"]) == (PAIRS, 1.0)
    assert {one["name"] for one in told["checks"]} >= {"coverage", "amount", "errors", "latency", "agreement"}
    # The champion's scores of the hour before are read as well.
    assert shadowed.source.asked == [(NOW - 3600, NOW + 60)]
    assert (told["changed"], told["report"], shadowed.writes()) == (False, None, [])
    assert shadowed.lines[-1] == told["reason"]


def test_too_little_evidence_holds(world: ShadowWorld) -> None:
    good(world.region("deployed", percent=100))
    world.source.pairs(50, NOW, 5.0)
    world.clock.elapsed += 6
    told = good(world.region("judged", **ASKED))
    assert (told["verdict"], told["next"]["action"]) == ("hold", "wait")
    result = world.region("judged", fail_on=["hold"], **ASKED)
    bad(result, "verdict")
    assert result["verdict"] == "hold"


def test_a_gateway_that_does_not_mirror_is_told(world: ShadowWorld) -> None:
    good(world.region("deployed", percent=100))
    world.source.pairs(PAIRS, NOW, 59.0)
    world.source.records = [one for one in world.source.records if one["version"] == "v2.0.0"]
    world.clock.elapsed += 60
    told = good(world.region("judged", **ASKED))
    assert told["verdict"] == "hold" and "the gateway does not mirror" in told["reason"]


def test_a_failure_takes_it_back_and_fails_only_the_tasks_that_want_it(world: ShadowWorld) -> None:
    good(world.region("deployed", percent=100))
    world.source.pairs(PAIRS, NOW, 59.0, out=None, err="no features")
    world.clock.elapsed += 60
    told = good(world.region("judged", **ASKED))
    assert (told["verdict"], told["next"]["action"]) == ("fail", "roll_back")
    result = world.region("judged", fail_on=["fail"], **ASKED)
    assert bad(result, "verdict") == told["reason"]
    assert (result["verdict"], result["next"], result["checks"]) == ("fail", told["next"], told["checks"])
    result = world.region("judged", fail_on=["hold"], **ASKED)
    assert good(result)["verdict"] == "fail"


def test_after_the_promotion_it_is_watched(shadowed: ShadowWorld) -> None:
    good(shadowed.region("promoted"))
    shadowed.clock.elapsed += 60
    told = good(shadowed.region("judged", **ASKED))
    assert (told["judged"]["promoted"], told["judged"]["weight"]) == (True, 100)
    assert (told["judged"]["since"], told["next"]["action"]) == ("2027-01-15T08:01:00Z", "wait")


def test_a_step_with_more_than_can_be_held_is_judged_by_its_newest_part(
    shadowed: ShadowWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadowed.source.pairs(PAIRS, NOW + 3600, 7000.0, out=None, err="no features")
    shadowed.clock.elapsed = 3600 + 7000
    monkeypatch.setattr(evidence, "MOST", 3000)
    told = good(shadowed.region("judged", **ASKED))
    assert (told["judged"]["since"], told["judged"]["evidence_since"]) == (
        "2027-01-15T08:00:00Z",
        "2027-01-15T10:27:00Z",
    )
    assert told["verdict"] == "fail" and told["reason"].endswith(" (of the last 30 min alone)"), told["reason"]
    assert "is judged, with a part of the risk" in told["warnings"][0]
    errors = next(one for one in told["checks"] if one["name"] == "errors")
    # The 147th minute of the step.
    risk = 0.05 * SHARES["errors"] / 3 * 0.1 / (147 * 148)
    least = lower_bound({1.0: told["coverage"]["paired"], 0.0: 0}, 0.0, risk)
    assert errors["rate_at_least"] == round(least, 6)


def test_without_a_challenger_there_is_nothing_to_judge(world: ShadowWorld) -> None:
    waits = {"action": "wait", "weight": 0, "reason": "there is no challenger", "needs": []}
    told = good(world.region("judged", **ASKED))
    assert (told["verdict"], told["next"], told["judged"], told["checks"]) == ("none", waits, None, [])
    told = good(world.fleet("judged", **ASKED))
    assert (told["verdict"], told["next"]) == ("none", waits)
    del world.server.stored[ROUTE]
    told = good(world.region("judged", **ASKED))
    assert (told["verdict"], told["next"]) == ("none", waits)
    assert world.source.asked == []


def test_the_registry_knows_who_is_judged_and_since_when(world: ShadowWorld) -> None:
    fleet, _region = world.releases()
    good(world.fleet("deployed", release=fleet))
    world.source.pairs(PAIRS, NOW, 59.0)
    world.clock.elapsed += 60
    world.fleet_server.requests.clear()
    told = good(world.fleet("judged", percent=100, **ASKED))
    assert told["judged"] == {
        "champion": "v2.0.0",
        "challenger": "v2.1.0",
        "strategy": "shadow",
        "weight": 0,
        "since": "2027-01-15T08:00:00Z",
        "promoted": False,
        "evidence_since": "2027-01-15T08:00:00Z",
    }
    assert (told["verdict"], told["next"]["action"]) == ("pass", "ready"), told["reason"]
    assert world.fleet_server.requests == []
    good(world.fleet("promoted", release=fleet))
    world.clock.elapsed += 60
    told = good(world.fleet("judged", version="v2.1.0", **ASKED))
    assert (told["judged"]["champion"], told["judged"]["promoted"]) == ("v2.0.0", True)
    assert told["judged"]["since"] == "2027-01-15T08:01:00Z"


def test_without_route_and_registry_the_task_says_it(world: ShadowWorld) -> None:
    world.source.pairs(PAIRS, NOW, 59.0)
    world.clock.elapsed += 60
    given = {"version": "v2.1.0", "champion": "v2.0.0", "since": NOW, "percent": 100, "registry": None}
    told = good(world.fleet("judged", **given, **ASKED))
    assert (told["verdict"], world.registry.reads) == ("pass", 0)


def test_the_page_is_written_once_and_not_in_check_mode(shadowed: ShadowWorld, tmp_path: pathlib.Path) -> None:
    page = tmp_path / "page.html"
    told = good(shadowed.region("judged", report=str(page), check_mode=True, **ASKED))
    assert (told["changed"], told["report"], page.exists()) == (True, str(page), False)
    told = good(shadowed.region("judged", report=str(page), **ASKED))
    assert told["changed"] and "v2.1.0" in page.read_text()
    assert not good(shadowed.region("judged", report=str(page), **ASKED))["changed"]
    missing = str(tmp_path / "nowhere" / "page.html")
    assert bad(shadowed.region("judged", report=missing, **ASKED), "option").startswith("report: ")


def test_a_source_that_is_away_is_no_verdict(shadowed: ShadowWorld) -> None:
    def away() -> None:
        raise ReleaseError("source records: does not answer", kind="unreachable", system="records")

    shadowed.source.before_read = away
    result = shadowed.region("judged", **ASKED)
    assert "does not answer" in bad(result, "unreachable")
    assert (result["checks"], result["next"]) == ([], None)


def test_another_version_than_is_meant_is_not_judged(shadowed: ShadowWorld) -> None:
    assert bad(shadowed.region("judged", version="v9", **ASKED), "option").startswith(
        "version: is v9, and the challenger"
    )
    assert shadowed.source.asked == []


def test_no_secret_of_a_file_or_a_url_is_told(
    world: ShadowWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """With the registry and the sources that there are, and nobody listens."""
    monkeypatch.setattr(run, "registry_of", registries.registry_of)
    monkeypatch.setattr(run, "sources_of", sources.sources_of)
    secret = "hunter2hunter2"
    token = tmp_path / "token"
    token.write_text(f"{secret}\n")
    user, query = f"http://anna:{secret}@127.0.0.1:1", f"http://127.0.0.1:1/?token={secret}"
    results = [
        world.fleet("status", registry=registry, deadline_s=0.5)
        for registry in ({"url": user}, {"url": query}, {**REGISTRY, "token_file": str(token)})
    ]
    for url in (user, query):
        given = [{"name": "records", "json_lines": {"url": url}}]
        results.append(world.fleet("judged", sources=given, judge=SOON))
    results.append(world.region("promoted", route={"probe": {"url": user}}))
    for result in results:
        bad(result, str(result["error"]["kind"]))
        assert secret not in str(result)
    assert [result["error"]["kind"] for result in results].count("option") == 5
