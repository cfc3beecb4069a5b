# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before anything is asked, and a drain inside a release."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Decision, ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import NoAnswer
from drain_world import World, good, play
from fakes import FakeKube
from journal_world import World as JournalWorld

ENGINE = {"engine": {"url": "http://127.0.0.1:1"}}
FULL = {
    **ENGINE,
    "state": "drained",
    "prove": {"url": "http://127.0.0.1:2"},
    "gateways": [{"url": "http://127.0.0.1:3"}],
}
HANDOVER = {**FULL, "way": "handover", "new_engine": {"url": "http://127.0.0.1:2"}}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({**FULL, "engine": {"url": "engine:1"}}, "engine.url: is no http:// or https:// address"),
        ({**FULL, "polls": 0}, "polls: has to be more than 0"),
        ({**FULL, "allow_unsettled": -1}, "allow_unsettled: cannot be negative"),
        ({**FULL, "resume": {"post_only_s": -1}}, "resume: post_only_s cannot be negative"),
        ({**FULL, "close": {"jitter_s": -1}}, "close: jitter_s cannot be negative"),
        ({**FULL, "close": {"waves": 0}}, "close: waves has to be 1 or more"),
        ({**FULL, "reason": " "}, "reason: clients are told it, so it cannot be empty"),
        ({**FULL, "prove": None}, "prove: needed for way full: a second engine"),
        ({**FULL, "prove": {"url": "http://127.0.0.1:1"}}, "prove: is the engine itself"),
        ({**FULL, "gateways": []}, "gateways: without gateways nobody can judge I2 and I9"),
        ({**FULL, "gateways": [], "allow_unknown": ["I9"]}, "gateways: without gateways nobody can judge I2;"),
        (
            {**FULL, "contract": {"engine": {"verify": {"offered": False}}}},
            "contract: engine.snapshot and engine.verify",
        ),
        (
            {**FULL, "deadline_s": 300},
            "step_s: deadline_s is 300 and the steps may take 315 s (announce 0, in_flight 10",
        ),
        ({**FULL, "announce_s": 300}, "step_s: deadline_s is 600 and the steps may take 615 s (announce 300"),
        ({**FULL, "step_s": {"prove": 0}}, "step_s: step_s.prove has to be more than 0"),
        ({**HANDOVER, "new_engine": None}, "new_engine: needed for way handover"),
        ({**HANDOVER, "new_engine": {"url": "http://127.0.0.1:1"}}, "new_engine: is the engine itself"),
        ({**HANDOVER, "emergency": True}, "emergency: is for way full"),
        ({**HANDOVER, "contract": {"engine": {"cut": {"offered": False}}}}, "contract: engine.cut has to be offered"),
        ({**HANDOVER, "deadline_s": 200}, "step_s: deadline_s is 200 and the steps may take 255 s"),
        ({**FULL, "workload": {"name": "x"}}, "context: needed with workload"),
        ({**FULL, "release": {"id": "r1"}, "context": "us-east-1"}, "namespace: needed with release"),
        ({**FULL, "tls": {"ca_cert": "/nowhere"}}, "tls.ca_cert: /nowhere is not a file"),
    ],
)
def test_bad_input_is_refused_by_the_name_of_the_option(given: dict[str, t.Any], said: str) -> None:
    result = play(given)
    assert result["failed"]
    assert result["msg"].startswith(said)
    assert (result["error"]["kind"], result["changed"]) == ("option", False)


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> JournalWorld:
    return JournalWorld(monkeypatch)


IN_REGION = {"context": "us-east-1", "namespace": "exchange", "region": "us-east-1"}


def inside(release: ReleaseRef, **more: t.Any) -> dict[str, t.Any]:
    return {**IN_REGION, "release": release.to_option(), "step": "engine", **more}


def test_every_write_is_journaled_before_and_after(
    world: World, journal: JournalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fleet, release = journal.opened()
    seen: list[tuple[str, int]] = []
    handle = world.a.handle

    def watched(route: str, body: t.Any) -> t.Any:
        entries = journal.journal(release).entries()
        if route in ("POST /control/mode", "POST /control/announce"):
            seen.append((route, sum(not entry.done for entry in entries)))
        return handle(route, body)

    monkeypatch.setattr(world.a, "handle", watched)
    good(world.full(**inside(release)))
    assert seen == [("POST /control/announce", 1), ("POST /control/mode", 1)]
    entries = journal.journal(release).entries()
    assert [(entry.step, entry.done) for entry in entries] == [("engine", True)] * 2
    change = entries[1].changes[0]
    assert (change.op, change.ref.kind, change.ref.name) == ("drain", "Exchange", "engine-a")
    assert change.fields == {"mode": {"before": "online", "after": "cancel_only"}}


def test_a_handover_is_one_entry_for_cut_and_open(world: World, journal: JournalWorld) -> None:
    _fleet, release = journal.opened()
    good(world.handover(**inside(release)))
    fields = [entry.changes[0].fields for entry in journal.journal(release).entries()]
    assert fields[0] == {"leader": {"before": "engine-a", "after": "engine-b"}, "epoch": {"before": 7, "after": 8}}
    assert [entry.done for entry in journal.journal(release).entries()] == [True, True]


def test_a_handover_that_fails_says_so_in_the_journal(
    world: World, journal: JournalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fleet, release = journal.opened()
    world.b.unknown_acks = {"o007"}
    told: list[bool] = []
    returns = world.a.come_back

    def returning() -> bool:
        told.append(journal.journal(release).entries()[0].failed is not None)
        return returns()

    monkeypatch.setattr(world.a, "come_back", returning)
    assert world.handover(**inside(release))["failed"]
    # Nobody trades until the engine is back, so the journal comes after it.
    assert told == [False]
    entry = journal.journal(release).entries()[0]
    assert (entry.done, entry.failed is not None and "I2 acknowledgements" in entry.failed) == (False, True)


def test_a_release_that_is_undone_begins_no_drain_and_may_trade_again(world: World, journal: JournalWorld) -> None:
    fleet, release = journal.opened()
    world.a.mode = "halted"
    journal.journal(release).write_undo("eu-west-1", "errors")
    for drain in (world.full, world.handover):
        result = drain(**inside(release))
        assert (result["error"]["kind"], world.writes()) == ("undone", [])
    good(world.online(**inside(release)))
    assert world.a.mode == "online"
    assert isinstance(fleet, ReleaseRef)


def test_a_decision_to_undo_in_the_middle_puts_it_back(world: World, journal: JournalWorld) -> None:
    _fleet, release = journal.opened()

    def decided(_body: t.Any) -> tuple[int, t.Any]:
        assert isinstance(journal.journal(release).write_undo("eu-west-1", "errors"), Decision)
        return world.a.set_mode(_body)

    world.a.faults["POST /control/mode"] = [decided]
    world.gateway.in_flight = [0, *[1] * 1000]
    result = world.full(**inside(release))
    assert (result["error"]["kind"], world.a.mode, world.a.announcement) == ("undone", "online", None)
    assert "engine-a is online again" in result["msg"]


def test_the_way_back_does_not_need_the_cluster(world: World, journal: JournalWorld) -> None:
    _fleet, release = journal.opened()

    def away(body: t.Any) -> tuple[int, t.Any]:
        def silent(_request: t.Any) -> t.NoReturn:
            raise NoAnswer("connection refused", timeout=False, sent=False)

        journal.server.before.append(silent)
        return world.a.set_mode(body)

    world.a.faults["POST /control/mode"] = [away]
    result = world.full(**inside(release))
    assert (result["failed"], world.a.mode, world.a.announcement) == (True, "online", None)
    assert result["msg"].endswith("engine-a is online again")
    assert "the way back is not journaled: " in result["warnings"][0]


def test_a_lost_lock_writes_nothing_more(world: World, journal: JournalWorld) -> None:
    _fleet, release = journal.opened()

    def taken(body: t.Any) -> tuple[int, t.Any]:
        lease = next(ref for ref in journal.server.stored if ref.kind == "Lease")
        spec = {**journal.server.take(lease)["spec"], "holderIdentity": "somebody", "leaseTransitions": 99}
        journal.server.change(lease, spec=spec)
        return world.a.announce(body)

    world.a.faults["POST /control/announce"] = [taken]
    result = world.full(**inside(release))
    assert (result["error"]["kind"], world.a.mode) == ("lock_lost", "online")
    assert "whoever has the lock now finds engine-a online" in result["msg"]
    assert "POST /control/mode" not in world.writes()


def test_without_a_release_an_unfinished_one_is_in_the_way(world: World, journal: JournalWorld) -> None:
    journal.opened()
    result = world.full(**IN_REGION)
    assert (result["error"]["kind"], world.writes()) == ("locked", [])


def deployment(grace_s: float | None) -> dict[str, t.Any]:
    pod = {} if grace_s is None else {"terminationGracePeriodSeconds": grace_s}
    meta = {"name": "matching-engine", "namespace": "exchange"}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta, "spec": {"template": {"spec": pod}}}


def test_the_drain_fits_into_the_life_of_the_pod(world: World, journal: JournalWorld) -> None:
    server: FakeKube = journal.server
    given = {**IN_REGION, "workload": {"name": "matching-engine"}, "check_mode": True}
    assert world.full(**given)["msg"] == "workload: StatefulSet matching-engine does not exist"
    for grace_s, fits in ((900, True), (40, False), (None, False)):
        server.put(deployment(grace_s))
        result = world.full(**given)
        assert result.get("failed", False) is not fits
        assert fits or f"the pod has {grace_s or 30} s to end (terminationGracePeriodSeconds)" in result["msg"]
