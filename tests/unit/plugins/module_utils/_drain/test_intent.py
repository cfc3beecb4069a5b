# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the way back reads in a journal, and what it decides to do."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change, Entry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import intent
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.options import ARGUMENT_SPEC, options_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.status import Engine
from hypothesis import given, settings
from hypothesis import strategies as st

#: Where each engine is.
PODS = {name: {"pod": f"{name}-0", "port": 8080, "url": None, "peer_url": None} for name in "abcd"}
CLUSTER = {"context": "us-east-1", "namespace": "exchange"}


def params(**more: t.Any) -> dict[str, t.Any]:
    checked = ArgumentSpecValidator(dict(ARGUMENT_SPEC)).validate({**CLUSTER, "state": "restored", **more})
    assert not checked.error_messages
    found: dict[str, t.Any] = checked.validated_parameters
    return found


def engine(name: str, epoch: int = 7, role: str = "leader") -> Engine:
    return Engine(name, "v1", role, "online", epoch, 100)


def entry(number: int, old: str, new: str, epoch: int, *, undoing: bool = False, **more: t.Any) -> Entry:
    made = params(engine=PODS[old], new_engine=PODS[new], **more)
    change = intent.change_of(made, engine(old, epoch), engine(new), undoing=undoing)
    found = Entry(number, "engine", "m", 0.0, (change,))
    # As it is written down and read again.
    return Entry.from_text(found.to_text())


def test_an_intent_says_all_that_the_way_back_needs() -> None:
    contract = {"engine": {"cut": {"path": "/ops/cut"}}}
    gateways = [{"selector": "app=core-api", "port": 9000}]
    written = entry(1, "a", "b", 7, contract=contract, gateway_pods=gateways, tls={"ca_cert": "/ca.pem"}, max_lag=5)
    (found,) = intent.handovers([written])
    assert (found.led, found.epoch, found.other) == ("a", 7, "b")
    now = params(step="take back", release={"id": "r1"}, timeout_s=1.0)
    back = found.back(now)
    assert (back["engine"], back["new_engine"], back["step"]) == (PODS["b"], PODS["a"], "take back")
    assert (back["release"], back["contract"], back["gateway_pods"]) == ({"id": "r1"}, contract, gateways)
    assert (back["tls"]["ca_cert"], back["max_lag"], back["timeout_s"]) == ("/ca.pem", 5, 5.0)
    options = options_of({**back, "tls": params()["tls"]})
    assert (options.engine.pod, options.wanted.way, options.contract.engine["cut"].path) == (
        "b-0",
        "handover",
        "/ops/cut",
    )
    assert options.allow_unknown == {"I2", "I9"}
    # Readable in the journal, as every other change.
    assert written.changes[0].fields == {"leader": {"before": "a", "after": "b"}, "epoch": {"before": 7, "after": 8}}
    assert found.back(params())["step"] == "drain_trading restored"


def test_what_is_no_handover() -> None:
    mode = Change(intent.ref_of("a", "exchange"), "drain", {"mode": {"before": "online", "after": "halted"}})
    assert intent.handovers([Entry(1, "s", "m", 0.0, (mode,)), entry(2, "a", "b", 7, undoing=True)]) == []


def test_the_last_exchange_is_taken_back_first() -> None:
    found = intent.handovers([entry(1, "a", "b", 7), entry(2, "c", "d", 3), entry(3, "a", "b", 7, undoing=True)])
    assert [(one.led, one.other) for one in found] == [("c", "d"), ("a", "b")]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_who_led_at_first_counts_and_the_options_fit_him(moves: list[tuple[bool, bool]]) -> None:
    """However often it went to and fro."""
    entries = [
        entry(number, *(("a", "b") if forward else ("b", "a")), 6 + number, undoing=undoing, max_lag=number)
        for number, (forward, undoing) in enumerate(moves, start=1)
    ]
    first = next((number for number, (_forward, undoing) in enumerate(moves) if not undoing), None)
    found = intent.handovers(entries)
    assert len(found) == (first is not None)
    if first is not None:
        led, other = ("a", "b") if moves[first][0] else ("b", "a")
        assert (found[0].led, found[0].other, found[0].epoch) == (led, other, 7 + first)
        assert (found[0].options["engine"], found[0].options["new_engine"]) == (PODS[led], PODS[other])
        last = max(number for number, (_forward, undoing) in enumerate(moves, start=1) if not undoing)
        assert found[0].options["max_lag"] == last


ROLES = st.sampled_from([None, "leader", "closed", "follower", "starting"])


def sight(name: str, role: str | None) -> intent.Sight:
    return intent.Sight(name, None, "connection refused") if role is None else intent.Sight(name, engine(name, 8, role))


@given(ROLES, ROLES)
@settings(max_examples=60, deadline=None)
def test_it_is_handed_back_only_by_one_that_leads_to_one_that_answers(one: str | None, two: str | None) -> None:
    led, other = sight("a", one), sight("b", two)
    decided = intent.decide_back(led, other)
    assert (decided == "hand_back") == (two == "leader" and one not in (None, "leader"))
    assert (decided == "nothing") == (one == "leader" and two != "leader")
    # Two leaders are never touched by a program, and nobody's lead ends by waiting for it.
    assert (decided == "stuck") == (one == two == "leader")
    if decided in ("wait", "stuck"):
        why = intent.why_stuck(led, other)
        assert "a" in why
        assert "b" in why
        for engine_, role in (("a", one), ("b", two)):
            if role is None:
                assert "connection refused" in why, engine_
        assert ("nobody" in why) == ("leader" not in (one, two))


@pytest.mark.parametrize(
    ("one", "two", "said"),
    [
        (None, "leader", "b leads in epoch 8 and goes on trading, and a, which led before, does not answer"),
        (
            "follower",
            None,
            "nobody trades: a is follower, and b does not answer (connection refused); b may ",
        ),
        (None, "closed", "nobody trades: b is closed, and a does not answer (connection refused); start its pod"),
        (None, None, "nobody is known to trade: neither a (connection refused) nor b (connection refused) answers"),
        ("starting", "closed", "nobody trades: a is starting and b is closed; the epoch record and the logs"),
        ("leader", "leader", "a and b both say that they lead; stop the one that the epoch record does not name"),
    ],
)
def test_what_is_to_be_done(one: str | None, two: str | None, said: str) -> None:
    assert intent.why_stuck(sight("a", one), sight("b", two)).startswith(said)


def test_a_status_says_who_leads() -> None:
    assert dataclasses.replace(sight("a", "leader")).leads
    assert not sight("a", None).leads
