# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that handed over is taken back out of its journal, and can be killed in it at any request."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, NoAnswer, Request
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import (
    decide_budget,
    handover,
    steps,
    task,
    way_back,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.control import Exchange
from drain_world import World, failing, good, outcomes, play, verdicts
from journal_world import LEASE
from journal_world import World as JournalWorld
from pod_world import IN_REGION, PodWorld

CUT, OPEN, PROOF = "POST /control/cut", "POST /control/open", "GET /control/proof"


class Release:
    """One release, and the small exchange as pods in its region."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.monkeypatch = world, monkeypatch
        self.journals = JournalWorld(monkeypatch)
        self.pods = PodWorld(world, self.journals.server)
        _fleet, self.ref = self.journals.opened()
        #: Nobody is killed any more.
        self.spared: t.Callable[[], None] = lambda: None

    @property
    def option(self) -> dict[str, t.Any]:
        return {**IN_REGION, "release": self.ref.to_option(), "step": "engine"}

    def handover(self, **given: t.Any) -> dict[str, t.Any]:
        return self.pods.handover(**{**self.option, **given})

    def restored(self, *, check_mode: bool = False, **given: t.Any) -> dict[str, t.Any]:
        """Nothing but the release is known."""
        return play({"state": "restored", **self.option, **given}, self.world.lines.append, check_mode=check_mode)

    def undo(self) -> None:
        self.journals.journal(self.ref).write_undo("eu-west-1", "errors")

    def take_lock(self) -> None:
        spec = {**self.journals.server.take(LEASE)["spec"], "holderIdentity": "somebody", "leaseTransitions": 99}
        self.journals.server.change(LEASE, spec=spec)

    def entries(self) -> list[t.Any]:
        return self.journals.journal(self.ref, undoing=True).entries()

    def writes(self) -> list[str]:
        return [f"{method} {path}" for method, _pod, path in self.pods.asked if method != "GET" and "acks" not in path]

    def led_by(self) -> tuple[str, str, str]:
        return self.world.record.owner, self.world.a.role, self.world.b.role


@pytest.fixture
def release(world: World, monkeypatch: pytest.MonkeyPatch) -> Release:
    monkeypatch.setattr(task, "_BACK_GATEWAY_S", 0.3)
    monkeypatch.setattr(way_back, "_LOOK_S", 0.3)
    monkeypatch.setattr(way_back, "_AFTER_DEADLINE_S", 1.0)
    return Release(world, monkeypatch)


BACK = ("engine-a", "leader", "follower")


def test_what_was_handed_over_is_handed_back_and_proved(release: Release) -> None:
    good(release.handover())
    release.undo()
    result = good(release.restored())
    assert (release.led_by(), release.world.record.epoch, result["changed"]) == (BACK, 9, True)
    assert (result["verdict"], len(verdicts(result)), set(verdicts(result).values())) == ("pass", 9, {"pass"})
    assert (result["state"]["before"]["leader"], result["state"]["after"]["leader"]) == ("engine-b", "engine-a")
    assert result["reason"].startswith("handed back to engine-a: 9 invariants hold")
    last = [entry for entry in release.entries() if "leader" in entry.changes[0].fields][-1]
    assert (last.done, last.changes[0].fields["taken.back"]) == (True, {"before": None, "after": True})
    # Once is enough, and a second time changes nothing.
    release.pods.asked.clear()
    again = good(release.restored())
    assert (again["changed"], release.writes(), again["steps"]) == (False, [], [])
    assert again["reason"] == "engine-a leads in epoch 9, as before the release"


def test_a_release_that_handed_nothing_over(release: Release) -> None:
    result = good(release.restored())
    assert (result["changed"], result["reason"]) == (False, "this release has handed nothing over")
    assert release.pods.asked == []


def test_check_mode_says_what_would_be_done_and_writes_nothing(release: Release) -> None:
    good(release.handover())
    release.pods.asked.clear()
    before = len(release.journals.server.writes())
    result = good(release.restored(check_mode=True))
    steps = ["catch_up", "rehearse", "cut", "compare", "open", "gateways", "follow_back"]
    assert ([step["name"] for step in result["steps"]], result["changed"]) == (steps, True)
    assert (release.writes(), len(release.journals.server.writes()), release.world.record.owner) == (
        [],
        before,
        "engine-b",
    )


def test_a_cut_that_is_pending_is_waited_for(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module was killed right after it: the old engine returns by itself."""
    monkeypatch.setattr(decide_budget, "cut_problem", lambda *_args: None)
    killed(release, "after", "cut")
    with pytest.raises(KilledError):
        release.handover(cut_deadline_s=1.0)
    release.spared()
    assert release.led_by()[:2] == ("engine-a", "closed")
    planned = good(release.restored(check_mode=True))
    assert ([step["name"] for step in planned["steps"]], planned["changed"]) == (["return"], False)
    assert "engine-a is closed and engine-b is follower, which would be waited for" in planned["reason"]
    result = good(release.restored())
    assert (release.led_by(), release.world.record.epoch, result["changed"]) == (BACK, 7, False)
    assert outcomes(result) == {"return": "somebody leads again"}


def test_a_handover_that_failed_with_its_cut_pending_is_known(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal says that it failed, and nobody trades all the same."""
    monkeypatch.setattr(decide_budget, "cut_problem", lambda *_args: None)
    monkeypatch.setattr(handover, "_AFTER_DEADLINE_S", 0.2)
    monkeypatch.setattr(release.world.a, "come_back", lambda: False)
    release.world.b.unknown_acks = {"o007"}
    assert "has not been seen to trade again" in release.handover(cut_deadline_s=0.5)["msg"]
    assert release.entries()[0].failed is not None
    result = release.restored()
    assert result["error"]["kind"] == "stuck"
    assert "nobody trades: engine-a is closed and engine-b is follower; the epoch record" in result["msg"]


class KilledError(BaseException):
    """What a kill is to a test: nothing after it runs."""


def killed(release: Release, when: str, wanted: str) -> None:
    """Die right before or after that request."""
    ask = Exchange.ask

    def dying(exchange: Exchange, call: str, **values: t.Any) -> t.Any:
        if (when, wanted) == ("before", call):
            raise KilledError
        found = ask(exchange, call, **values)
        if (when, wanted) == ("after", call):
            raise KilledError
        return found

    release.monkeypatch.setattr(Exchange, "ask", dying)
    release.spared = lambda: release.monkeypatch.setattr(Exchange, "ask", ask)


@pytest.mark.parametrize(
    ("when", "call"),
    [
        ("after", "status"),
        ("before", "cut"),
        ("after", "cut"),
        ("before", "open"),
        ("after", "open"),
        ("before", "follow"),
    ],
)
def test_killed_at_any_request_of_the_way_back_it_is_run_again(
    release: Release, monkeypatch: pytest.MonkeyPatch, when: str, call: str
) -> None:
    monkeypatch.setattr(decide_budget, "cut_problem", lambda *_args: None)
    good(release.handover(cut_deadline_s=0.7))
    killed(release, when, call)
    with pytest.raises(KilledError):
        release.restored()
    release.spared()
    # A busy machine may miss so short a deadline: then it is run again, as an operator does.
    for _try in range(5):
        if not release.restored().get("failed"):
            break
    assert release.world.record.owner == "engine-a"
    assert release.world.a.role == "leader"
    assert good(release.restored())["changed"] is False


@pytest.mark.parametrize(("when", "call"), [("before", "cut"), ("before", "open"), ("after", "open")])
def test_killed_in_the_handover_it_is_taken_back(
    release: Release, monkeypatch: pytest.MonkeyPatch, when: str, call: str
) -> None:
    monkeypatch.setattr(decide_budget, "cut_problem", lambda *_args: None)
    killed(release, when, call)
    with pytest.raises(KilledError):
        release.handover(cut_deadline_s=0.7)
    release.spared()
    # Whatever there was before the cut is in the journal.
    assert any("leader" in entry.changes[0].fields for entry in release.entries())
    for _try in range(5):
        if not release.restored().get("failed"):
            break
    assert release.led_by()[:2] == ("engine-a", "leader")


def test_an_engine_that_is_gone_is_told_and_trading_goes_on(release: Release) -> None:
    good(release.handover(cut_deadline_s=1.0))
    release.pods.stop("engine-a-0")
    result = release.restored()
    assert (result["error"]["kind"], result["changed"], release.world.b.role) == ("stuck", False, "leader")
    assert (
        "us-east-1: engine-b leads in epoch 8 and goes on trading, and engine-a, which led before, does not"
        in (result["msg"])
    )
    assert "there is no such pod" in result["msg"]
    assert result["msg"].endswith("start its pod, and take the release back again")
    # Which is what then works.
    release.pods.start("engine-a-0", release.world.a)
    release.world.a.follow({"url": "http://10.0.0.2:8080"})
    good(release.restored())
    assert release.led_by() == BACK


def test_after_the_standby_has_ended_it_is_not_handed_back(release: Release) -> None:
    good(release.handover())
    release.world.b.finish({})
    release.world.a.follow_error = "format 2 is not known"
    result = release.restored()
    assert result["error"]["kind"] == "precondition"
    assert "us-east-1: engine-b writes format 2 and engine-a reads 1 only; engine-b goes on trading" in result["msg"]
    assert "cannot follow" not in result["msg"]


def test_a_gateway_that_is_the_reason_does_not_keep_it(release: Release) -> None:
    good(release.handover(timeout_s=0.1))
    release.pods.gateway("core-api-2").always["GET /control/status"] = "lose"
    result = good(release.restored())
    assert (release.led_by(), result["verdict"], len(verdicts(result))) == (BACK, "pass", 9)
    assert [line for line in result["warnings"] if "core-api-2 does not answer and is left out of the way back" in line]
    # Without any the rest is proved all the same.
    release.pods.stop("core-api-2")
    good(release.handover(timeout_s=0.1))
    release.world.gateway.always["GET /control/status"] = "lose"
    result = good(release.restored())
    assert (release.led_by(), verdicts(result)["I2"], verdicts(result)["I7"]) == (BACK, "unknown", "pass")


def test_a_book_that_is_not_the_same_is_not_handed_back(release: Release) -> None:
    good(release.handover())

    def spoil(book: t.Any) -> None:
        if release.world.b.role == "closed":
            book["orders"].pop("o007")

    release.world.a.spoil = spoil
    result = release.restored()
    assert failing(result) == {"I3", "I7"}
    assert result["msg"].endswith("; engine-b trades again in epoch 8")
    assert (result["changed"], release.world.b.role) == (True, "leader")


def test_a_way_back_without_its_lock_writes_nothing(release: Release) -> None:
    good(release.handover())
    release.take_lock()
    release.pods.asked.clear()
    result = release.restored()
    assert (result["error"]["kind"], release.writes()) == ("lock_lost", [])


@pytest.mark.parametrize("when", ["while it waits", "at the cut"])
def test_a_lock_that_is_lost_on_the_way_back(release: Release, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """Whoever has it takes the release back himself, so nothing more is opened."""
    monkeypatch.setattr(steps, "_GUARD_S", 0.02)
    good(release.handover())
    world = release.world
    if when == "at the cut":
        world.b.always[CUT] = lambda body: (release.take_lock(), world.b.cut(body))[1]
    else:
        world.b.cut({"deadline_s": 30.0})
        status = world.b.status
        world.b.always["GET /control/status"] = lambda body: (release.take_lock(), status(body))[1]
    result = release.restored()
    assert (result["error"]["kind"], world.a.asked(OPEN), world.record.owner) == ("lock_lost", [], "engine-b")
    assert (world.b.role == "leader") == (when == "at the cut")


@pytest.mark.parametrize("route", [PROOF, CUT])
def test_a_cluster_that_goes_away_does_not_stop_the_way_back(release: Release, route: str) -> None:
    """These engines are reached without it."""
    world = release.world
    direct = {"engine": {"url": world.a.url}, "new_engine": {"url": world.b.url}, "gateway_pods": []}
    good(release.handover(**direct, gateways=[{"url": world.gateway.url}]))
    act = world.b.routes()[route]

    def away(body: t.Any) -> tuple[int, t.Any]:
        release.journals.server.before.insert(0, silent)
        return act(body)

    world.b.always[route] = away
    result = good(release.restored())
    assert (release.led_by(), result["verdict"]) == (BACK, "pass")
    assert any("the way back is not journaled" in line for line in result["warnings"]) == (route == PROOF)


def test_each_exchange_is_taken_back_and_one_that_cannot_be_does_not_keep_the_others(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide_budget, "cut_problem", lambda *_args: None)
    good(release.handover())
    second = World()
    try:
        second.record.owner, second.a.name, second.b.name = "fix-a", "fix-a", "fix-b"
        other = {"engine": {"url": second.a.url}, "new_engine": {"url": second.b.url}, "gateway_pods": []}
        good(second.handover(cut_deadline_s=1.0, **release.option, **other))
        second.a.close()
        result = release.restored()
    finally:
        second.close()
    assert "fix-b leads in epoch 8 and goes on trading, and fix-a, which led before, does not answer" in result["msg"]
    assert (release.led_by(), result["changed"], result["verdict"]) == (BACK, True, "pass")
    assert "handed back to engine-a: 9 invariants hold, 0 were not asked for" in result["reason"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"release": None}, "release: needed for state restored: its journal says what was handed over"),
        ({"context": None}, "context: needed with release"),
        ({"namespace": None}, "namespace: needed with release"),
    ],
)
def test_it_needs_a_release(release: Release, given: dict[str, t.Any], said: str) -> None:
    result = release.restored(**given)
    assert (result["msg"], result["error"]["kind"]) == (said, "option")


# Between cut and open the release may end for us, and behind it nothing may be left half done.


@pytest.mark.parametrize("how", ["undo", "lock", "away"])
def test_a_release_that_is_over_opens_nothing(release: Release, how: str) -> None:
    def over(body: t.Any) -> tuple[int, t.Any]:
        if how == "away":
            release.journals.fleet_server.before.append(silent)
        else:
            release.undo() if how == "undo" else release.take_lock()
        return release.world.a.cut(body)

    release.world.a.always[CUT] = over
    result = release.handover(cut_deadline_s=30.0)
    kinds = {"undo": "undone", "lock": "lock_lost"}
    assert how == "away" or result["error"]["kind"] == kinds[how]
    assert OPEN not in [route for route, _body in release.world.b.requests]
    assert result["msg"].endswith("; engine-a trades again in epoch 7")
    assert (release.led_by()[:2], release.world.record.epoch) == (("engine-a", "leader"), 7)
    assert next(step["seconds"] for step in result["steps"] if step["name"] == "compare") < 10


def silent(request: Request) -> Answer | None:
    raise NoAnswer("connection refused", timeout=False, sent=False)


def test_before_the_cut_a_decision_stops_it(release: Release) -> None:
    def decided(body: t.Any) -> tuple[int, t.Any]:
        release.undo()
        return release.world.b.proof(body)

    release.world.b.always[PROOF] = decided
    result = release.handover()
    assert (result["error"]["kind"], release.world.a.asked(CUT)) == ("undone", [])
    assert result["msg"].endswith("; engine-a was not stopped")


@pytest.mark.parametrize("how", ["undo", "lock", "away"])
def test_after_the_new_epoch_it_goes_on_and_says_so(release: Release, how: str) -> None:
    opened = release.world.b.open

    def over(body: t.Any) -> tuple[int, t.Any]:
        found = opened(body)
        if how == "away":
            release.journals.fleet_server.before.append(silent)
        else:
            release.undo() if how == "undo" else release.take_lock()
        release.world.gateway.stays_with = 7
        return found

    release.world.b.always[OPEN] = over
    status = release.world.gateway.status
    looks: list[int] = []

    def follows(body: t.Any) -> tuple[int, t.Any]:
        looks.append(1)
        if len(looks) > 8:
            release.world.gateway.stays_with = None
        return status(body)

    release.world.gateway.always["GET /control/status"] = follows
    release.monkeypatch.setattr(steps, "_GUARD_S", 0.02)
    result = good(release.handover())
    assert (result["verdict"], release.led_by()) == ("pass", ("engine-b", "follower", "leader"))
    (told,) = [line for line in result["warnings"] if "the new epoch was open already" in line]
    said = {
        "undo": "undone by eu-west-1: errors",
        "lock": "the lock is not ours any more",
        "away": "connection refused",
    }
    assert said[how] in told
    assert told.endswith("; the new epoch was open already, so the handover was brought to its end")
