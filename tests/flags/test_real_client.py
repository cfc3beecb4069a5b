# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module writes, as real OpenFeature clients evaluate it."""

from __future__ import annotations

import logging
import pathlib
import tempfile
import threading
import time
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_buckets import split_of, variant_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.evaluate import Evaluator, Question
from flag_samples import fractional, switch
from flag_world import FlagWorld
from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ParseError

_USERS: t.Final = [f"user-{number}" for number in range(10_000)]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> FlagWorld:
    made = FlagWorld(monkeypatch, tmp_path)
    made.good("set", definitions={"margin_trading": switch("on"), "fee_table": table()})
    return made


def table() -> dict[str, t.Any]:
    return {"state": "ENABLED", "variants": {"off": "2026", "low": "l", "high": "h"}, "defaultVariant": "off"}


def core_of(world: FlagWorld) -> FlagdCore:
    made = FlagdCore()
    made.set_flags(world.path.read_text())
    return made


def who_has_it(world: FlagWorld, flag: str = "margin_trading") -> set[str]:
    core = core_of(world)
    return {user for user in _USERS if core.resolve_boolean_value(flag, True, EvaluationContext(user)).value}


def test_a_ramp_gives_each_share_and_loses_nobody(world: FlagWorld) -> None:
    had: set[str] = set()
    for percent in (0, 0.5, 1, 12.5, 25, 50, 75, 99.9, 100):
        world.good("rollout", flags=["margin_trading"], percent=percent, reshuffle=percent == 0)
        has = who_has_it(world)
        assert had <= has
        assert abs(len(has) - 100 * percent) <= 4 * (10_000 * percent / 100 * (1 - percent / 100)) ** 0.5
        had = has


def test_the_shares_that_are_told_are_those_of_the_client(world: FlagWorld) -> None:
    world.good("rollout", flags=["margin_trading"], percent=30, reshuffle=True)
    before = who_has_it(world)
    (move,) = world.good("rollout", flags=["margin_trading"], percent=45)["moves"]["margin_trading"]
    gained = len(who_has_it(world) - before)
    assert abs(gained - move["share"] * 10_000) <= 4 * (10_000 * 0.15 * 0.85) ** 0.5


@pytest.mark.parametrize("weights", [{"low": 10, "high": 10, "off": 80}, {"low": 33.3, "off": 66.7}, {"high": 1}])
def test_every_user_gets_the_variant_that_we_say(world: FlagWorld, weights: dict[str, float]) -> None:
    world.good("ab", flags=["fee_table"], weights=weights)
    core, split = core_of(world), split_of(world.flag("fee_table"))
    assert split is not None
    for user in _USERS:
        found = core.resolve_string_value("fee_table", "?", EvaluationContext(user))
        assert found.variant == variant_of(split, "fee_table", user)


def test_a_killed_flag_is_off_for_a_client_whose_own_default_is_on(world: FlagWorld) -> None:
    world.good("kill", flags=["margin_trading"])
    assert who_has_it(world) == set()
    world.good("restore", flags=["margin_trading"])
    assert len(who_has_it(world)) == len(_USERS)


def test_what_is_checked_is_what_the_client_stumbles_over(world: FlagWorld) -> None:
    """A field of its own makes this client refuse the whole document."""
    core = FlagdCore()
    with pytest.raises(ParseError):
        core.set_flags({"flags": {"x": {**switch(), "rules": []}}})
    assert "there is no field rules" in world.refused("set", definitions={"x": {**switch(), "rules": []}})


def test_the_provider_sees_a_change_of_the_file(world: FlagWorld) -> None:
    """The file is replaced, and its time grows."""
    provider = FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=str(world.path), deadline_ms=500)
    try:
        api.set_provider_and_wait(provider)
        client = api.get_client()
        assert client.get_boolean_value("margin_trading", False) is True
        for action, expected in (("kill", False), ("restore", True)):
            world.good(action, flags=["margin_trading"])
            assert _soon(lambda: client.get_boolean_value("margin_trading", not expected), expected)  # noqa: B023
    finally:
        api.shutdown()


def _soon(ask: t.Callable[[], bool], wanted: bool, within_s: float = 10.0) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if ask() is wanted:
            return True
        time.sleep(0.05)
    return False


def test_a_split_of_nothing_is_refused_as_the_client_would(world: FlagWorld) -> None:
    flag = switch(targeting=fractional(("on", 0), ("off", 0)))
    assert "add up to 0" in world.refused("set", definitions={"x": flag})


# -- the proof after a change: this client inside the task


@pytest.fixture
def proving(world: FlagWorld) -> FlagWorld:
    world.users = len(_USERS)
    return world


def test_the_proof_of_a_percentage_is_what_clients_get(proving: FlagWorld) -> None:
    told = proving.good("rollout", flags=["margin_trading"], percent=12.5, reshuffle=True)["evaluation"]
    got = len(who_has_it(proving)) / len(_USERS)
    assert told["margin_trading"] == {
        "users": len(_USERS),
        "shares": {"off": 1 - got, "on": got},
        "expected": {"off": 0.875, "on": 0.125},
        "sigmas": told["margin_trading"]["sigmas"],
    }
    assert 0 <= told["margin_trading"]["sigmas"] <= 4


def test_check_mode_has_the_same_proof(proving: FlagWorld) -> None:
    given: dict[str, t.Any] = {"flags": ["fee_table"], "weights": {"low": 1, "high": 2, "off": 7}}
    foretold = proving.good("ab", check_mode=True, **given)["evaluation"]
    assert "targeting" not in proving.flag("fee_table")
    assert proving.good("ab", **given)["evaluation"] == foretold
    assert foretold["fee_table"]["expected"] == {"high": 0.2, "low": 0.1, "off": 0.7}


def test_switches_kills_and_restores_are_the_same_for_everybody(proving: FlagWorld) -> None:
    proving.good("rollout", flags=["margin_trading"], percent=25, reshuffle=True)
    few = {"users": 5, "sigmas": 0.0}
    off = {"margin_trading": {**few, "shares": {"off": 1.0}, "expected": {"off": 1.0}}}
    assert proving.good("kill", flags=["margin_trading"])["evaluation"] == off
    assert proving.good("restore", flags=["margin_trading"])["evaluation"]["margin_trading"]["users"] == 10_000
    assert proving.good("toggle", flags=["margin_trading"], value=False)["evaluation"] == off


@pytest.mark.parametrize(
    ("variants", "targeting", "shares"),
    [
        ({"off": 0, "half": 0.5}, None, {"half": 1.0}),
        ({"off": {}, "half": {"limit": 5}}, None, {"half": 1.0}),
        ({"off": "", "half": "x"}, {"if": [{"==": [{"var": "tier"}, "gold"]}, "off", "half"]}, {"half": 1.0}),
        # No user of the proof has what is hashed: the default counts.
        ({"off": "", "half": "x"}, {"fractional": [{"var": "email"}, ["off", 1], ["half", 1]]}, {"half": 1.0}),
        # To its log the client says these 10,000 times.
        ({"off": "", "half": "x"}, {"sem_ver": ["a", "=", "b"]}, {"half": 1.0}),
        ({"off": "", "half": "x"}, {"+": ["x", 1]}, {"(error)": 1.0}),
    ],
)
def test_all_kinds_of_flags_are_told(
    proving: FlagWorld, caplog: pytest.LogCaptureFixture, variants: t.Any, targeting: t.Any, shares: t.Any
) -> None:
    flag = {"state": "ENABLED", "variants": variants, "defaultVariant": "half"}
    flag |= {"targeting": targeting} if targeting else {}
    told = proving.good("set", definitions={"x": flag})["evaluation"]["x"]
    assert told["shares"] == shares and told["expected"] == (None if targeting else shares)
    assert caplog.records == []


def test_one_flag_of_somebody_else_for_which_clients_refuse_the_document_is_found(proving: FlagWorld) -> None:
    proving.path.write_text(proving.path.read_text().replace('"flags":{', '"flags":{"x":{"rules":[],"variants":{}},'))
    document = proving.path.read_text()
    for ledger in proving.path.parent.glob("*.ledger.json"):
        ledger.unlink()
    for server in proving.servers.values():
        server.stored.clear()
    proving.redis.keys.clear()
    assert '"rules"' in document
    said = proving.refused("toggle", flags=["margin_trading"], value=False)
    assert said.startswith("the OpenFeature client cannot use the document: ")
    assert "What was written stands; go back with action rollback to revision 1" in said


def test_nothing_is_left_of_a_proof(
    proving: FlagWorld, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a thread, nor a file, nor a provider; and the process keeps the one that it has."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    proving.good("toggle", flags=["margin_trading"], value=False)
    level = logging.getLogger("openfeature").level
    before = set(threading.enumerate())
    provider = api.get_client().provider
    proving.good("rollout", flags=["margin_trading"], percent=25)
    with pytest.raises(ReleaseError) as caught:
        Evaluator().ask('{"flags": []}', [Question("x", "boolean", 1)])
    assert caught.value.kind == "not_proved"
    assert set(threading.enumerate()) <= before and not list((tmp_path / "temporary").iterdir())
    assert api.get_client().provider is provider is api.get_client("pincex.zero_downtime.flag_set").provider
    assert logging.getLogger("openfeature").level == level


def test_proofs_at_the_same_time_do_not_disturb_each_other(proving: FlagWorld) -> None:
    document = proving.path.read_text()
    off = document.replace('"defaultVariant":"on"', '"defaultVariant":"off"')
    assert off != document
    found: list[tuple[str, t.Any]] = []

    def ask(text: str, expected: str) -> None:
        found.append((expected, Evaluator().ask(text, [Question("margin_trading", "boolean", 200)])["margin_trading"]))

    threads = [threading.Thread(target=ask, args=pair) for pair in [(document, "on"), (off, "off")] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and all(dict(counts) == {expected: 200} for expected, counts in found)
