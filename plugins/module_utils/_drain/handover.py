# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The handover: a second engine that has followed the journal goes on where the first one is cut.

Between cut and open nobody trades, so there are four requests one after the other: cut, proofs of both engines (and
what the gateways have acknowledged, at the same time), the acknowledgements, open. The cut carries a deadline: the old
engine trades again by itself when nobody has opened the next epoch until then. So nothing here has to survive.

The point of no return is the new epoch.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import typing as t
from collections.abc import Callable, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import clock_time
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    ApiError,
    LockLost,
    ReleaseError,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import (
    decide_budget,
    decide_drain,
    decide_proof,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.control import ControlError, Exchange
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.decide_drain import Seen
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.full import instants
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.intent import change_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.status import Gateway
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.steps import Step
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.task import JsonObject, Task

#: How often a follower is asked whether it has the tail.
_TAIL_PAUSE_S: t.Final = 0.01
#: How long a gateway may be silent while nobody trades. One that is no pod cannot be told from one that is slow.
_SILENCE_S: t.Final = 2.0
#: How long the lines behind differing digests may be looked for while nobody trades.
_ITEMS_S: t.Final = 1.0
#: The old engine's clock and ours are not the same one.
_AFTER_DEADLINE_S: t.Final = 5.0
#: How long the old engine is asked to return before its deadline does it.
_LEAVE_S: t.Final = 2.0
#: So long before the deadline nothing is waited for any more.
_TO_OPEN_S: t.Final = 0.5


@dataclasses.dataclass(frozen=True)
class Cut:
    """The closed epoch. `at` and `end` are the controller's monotonic time before the cut was sent, and the deadline
    counted from there, which is never later than the engine's own. The others are unix milliseconds or unknown."""

    epoch: int
    sequence: int
    at: float
    end: float
    at_ms: int | None
    until_ms: int | None


def hand_over(task: Task, seen: Seen) -> None:
    """All steps that are left. Raises ReleaseError with what is known in the task."""
    if task.new is None:
        raise AssertionError("a handover has a second engine")
    handover = _Handover(task, seen, task.new)
    actions: Mapping[str, Callable[[Step], None]] = {
        "return": handover.wait_for_return,
        "follow": handover.follow,
        "announce": handover.announce,
        "catch_up": handover.catch_up,
        "rehearse": handover.rehearse,
        "cut": handover.cut_epoch,
        "compare": handover.compare,
        "open": handover.open_epoch,
        "gateways": handover.gateways,
        "follow_back": handover.follow_back,
    }
    names = decide_drain.next_steps(task.options.wanted, seen)
    try:
        for name in names:
            if name == "follow_back" and handover.opened is not None:
                # Before the old engine is asked to follow, which it may not live to do.
                handover.look_after()
            with task.steps.step(name) as step:
                actions[name](step)
        if handover.opened is not None:
            task.judge()
            with task.told():
                task.may_go_on(_SILENCE_S)
    except ReleaseError as error:
        handover.end_badly(error)
        raise


class _Handover:
    def __init__(self, task: Task, seen: Seen, new: Exchange) -> None:
        endpoint = task.options.new
        if seen.new is None or endpoint is None:
            raise AssertionError("a handover has a second engine")
        self.task = task
        self.seen = seen
        self.before = (seen.engine, seen.new)
        self.endpoint = endpoint
        self.old, self.new = task.engine, new
        self.names = (seen.engine.name, seen.new.name)
        self.limits = task.options.step_s
        self.sessions: Mapping[Exchange, Gateway] = {}
        self.announced = False
        self.cut: Cut | None = None
        self.cutting = self.opening = False
        self.opened: JsonObject | None = None
        self.new_epoch = seen.new.epoch
        self.intent = contextlib.ExitStack()
        self.parts: dict[str, int] = {}

    def wait_for_return(self, step: Step) -> None:
        """An earlier cut that nobody confirmed."""
        if not self._returned(self.task.options.cut_deadline_s + _AFTER_DEADLINE_S):
            raise self.task.failed(f"{self.names[0]} is closed, and its deadline has not brought it back", "closed")
        step.outcome = f"{self.names[0]} is back after an earlier cut"

    def follow(self, step: Step) -> None:
        was = self.seen.new.follow_url if self.seen.new is not None else None
        with self.task.written(self.names[1], {"follows": {"before": was, "after": self.names[0]}}):
            self.new.ask("follow", url=self.task.peer_url(self.task.options.engine))
        step.outcome = f"{self.names[1]} follows {self.names[0]}"

    def announce(self, step: Step) -> None:
        task, options = self.task, self.task.options
        now = task.clock.now()
        with task.written(self.names[0], {"announcement": {"before": None, "after": options.wanted.reason}}):
            self.announced = True
            self.old.ask(
                "announce",
                reason=options.wanted.reason,
                **instants(now + options.announce_s, now + options.announce_s + options.deadline_s),
            )
        step.outcome = f"effective {clock_time(now + options.announce_s)}"
        task.steps.rest(options.announce_s, "announce")

    def catch_up(self, step: Step) -> None:
        task, name = self.task, self.names[1]
        lag = 0
        told: str | None = None

        def look() -> str | None:
            nonlocal lag, told
            new, old = task.engine_status(self.new), task.engine_status(self.old)
            if new.follow_url is not None and new.lag_events is None and told is None and not new.follow_error:
                # It does not reach what it follows: the pod of the old engine may be another one by now.
                told = task.peer_url(task.options.engine)
                if told != new.follow_url:
                    self.new.ask("follow", url=told)
                    return f"{name} follows {told} from now on, and no more {new.follow_url}"
            if new.follow_error:
                raise task.failed(f"{name} cannot follow: {new.follow_error}", "lag", retriable=False)
            if new.follow_problem:
                # However few events it lacks: it would not get the last ones while nobody trades.
                return f"{name} does not get on with following: {new.follow_problem}"
            # By both: a follower that has lost its connection believes that there is nothing new.
            lag = max(new.lag_events or 0, old.sequence - new.sequence)
            max_lag = task.options.wanted.max_lag
            return None if lag <= max_lag else f"{name} is {lag} events behind (max_lag {max_lag})"

        left = task.steps.wait_for(look, self.limits["catch_up"], "catch_up")
        if left is not None:
            raise task.failed(f"{left}; waited for {self.limits['catch_up']:g} s", "lag")
        step.outcome = f"{lag} events behind"

    def rehearse(self, step: Step) -> None:
        """Both proofs before anything is stopped: that they can be had, in what time, and that each adds up. They are
        of different moments while orders come in, so they are compared only when they happen to be of one."""
        task, limit_s = self.task, self.limits["prove"]
        took: dict[str, float] = {}

        def proof(name: str, engine: Exchange) -> JsonObject:
            began = task.clock.monotonic()
            found = engine.ask("proof", timeout_s=limit_s, within_s=limit_s, sequence=None)
            took[name] = task.clock.monotonic() - began
            return task.proof_of(found)

        began = task.clock.monotonic()
        task.engine_status(self.old)
        answer_s = task.clock.monotonic() - began
        found = task.steps.together(
            {"old": functools.partial(proof, "old", self.old), "new": functools.partial(proof, "new", self.new)},
            "rehearse",
        )
        one, other = found["old"], found["new"]
        if one["sequence"] == other["sequence"]:
            invariants = decide_proof.compare(one, other)
        else:
            invariants = [*decide_proof.sound(one), *decide_proof.sound(other)]
        verdict, reason = decide_proof.overall(invariants, task.options.allow_unknown)
        if verdict != "pass":
            task.found.invariants, task.found.verdict, task.found.reason = invariants, verdict, reason
            raise task.failed(f"the rehearsal before the cut does not pass: {reason}", "not_proved", retriable=False)
        answer_s = min(answer_s, *took.values())
        problem = decide_budget.cut_problem(max(took.values()), answer_s, task.options.cut_deadline_s)
        if problem:
            raise task.failed(problem, "deadline", retriable=False)
        task.found.evidence["rehearsal_s"] = {name: round(seconds, 3) for name, seconds in took.items()}
        step.outcome = f"proofs take {took['old']:.2f} and {took['new']:.2f} s"

    def cut_epoch(self, step: Step) -> None:
        task, deadline_s = self.task, self.task.options.cut_deadline_s
        # What the sessions are compared with is read while trade goes on.
        task.gateways.find()
        self.sessions = task.gateway_statuses()
        # One entry for cut and open: between them nobody trades.
        old, new = self.before
        self.intent.enter_context(task.journaled(change_of(task.params, old, new, undoing=task.undoing)))
        at = task.clock.monotonic()
        self.cutting = True
        try:
            found = self.old.ask("cut", within_s=deadline_s / 2, deadline_s=deadline_s)
        except ControlError as error:
            self.cutting = error.is_unsure
            raise
        try:
            until = None if found["until"] is None else int(found["until"])
            self.cut = Cut(
                int(found["epoch"]),
                int(found["sequence"]),
                at,
                at + deadline_s,
                _whole(found["at_ms"]) or (until and until - int(1000 * deadline_s)),
                until,
            )
        except (TypeError, ValueError) as error:
            raise task.failed(f"{self.names[0]} answered a cut without epoch and sequence", "answer") from error
        self._part("cut_ms", at)
        step.outcome = f"epoch {self.cut.epoch} is closed at sequence {self.cut.sequence}"

    def compare(self, step: Step) -> None:
        task, cut = self.task, t.cast("Cut", self.cut)
        began = task.clock.monotonic()
        found = task.steps.together(
            {
                "before": functools.partial(self._proof_at, self.old),
                "after": functools.partial(self._proof_at, self.new),
                "acks": self._acks,
                "settlements": functools.partial(task.settlements, self._left()),
                # Beside the proofs it costs no time, and a release that is over opens nothing.
                "lock": functools.partial(task.may_go_on, min(self._left(), _SILENCE_S)),
            },
            "compare",
            guarded=False,
        )
        self._part("proofs_ms", began)
        began = task.clock.monotonic()
        before, after = found["before"], found["after"]
        task.found.proofs = {"before": before, "after": after}
        task.found.unsettled = found["settlements"] or []
        acked = task.missing_acks(self.new, found["acks"], self._left())
        self._part("acks_ms", began)
        task.found.invariants = [*decide_proof.compare(before, after), acked]
        try:
            task.judge(but=("I9",))
        except ReleaseError:
            with contextlib.suppress(ReleaseError):
                limit_s = min(_ITEMS_S, self._left() / 4)
                task.found.invariants = task.with_items(task.found.invariants, self.old, self.new, limit_s)
            task.judge(but=("I9",))
        step.outcome = f"the same at sequence {cut.sequence}"

    def open_epoch(self, step: Step) -> None:
        task, cut = self.task, t.cast("Cut", self.cut)
        began = task.clock.monotonic()
        if began >= self._open_at(cut):
            raise task.failed(f"the cut's deadline of {task.options.cut_deadline_s:g} s is over", "deadline")
        self.opening = True
        wanted = {"epoch": cut.epoch + 1, "after_epoch": cut.epoch, "after_sequence": cut.sequence}
        try:
            self.opened = self.new.ask("open", within_s=self._left(), **wanted)
        except ControlError as error:
            if not error.is_unsure or not self._new_leads(cut):
                raise
            # It did open; only its answer was lost.
            self.opened = {"epoch": cut.epoch + 1, "sequence": None, "at_ms": None}
        self.new_epoch = cut.epoch + 1
        self._part("open_ms", began)
        self._measure(cut)
        task.go_on()
        self.intent.close()
        step.outcome = f"epoch {self.new_epoch} is open"

    def gateways(self, step: Step) -> None:
        task, limit_s = self.task, self.limits["sessions"]
        began = task.clock.monotonic()
        told: list[str] = []

        def look() -> str | None:
            nonlocal told
            try:
                found = task.gateway_statuses(_SILENCE_S)
            except ControlError as error:
                if not error.retriable:
                    raise
                return error.message.partition(": ")[2]
            told = decide_drain.see_new_leader(list(found.values()), self.new_epoch)
            return f"{', '.join(told)} do not send to {self.names[1]} yet" if told else None

        left = task.steps.wait_for(look, limit_s, "gateways")
        if left is not None:
            raise task.failed(f"{left} after {limit_s:g} s", "gateways")
        self.parts["gateways_ms"] = round(1000 * (task.clock.monotonic() - began))
        step.outcome = f"{len(task.gateways.all)} send to {self.names[1]}"

    def follow_back(self, step: Step) -> None:
        """The old engine stays warm: the way back is a handover as well."""
        task = self.task
        url = task.peer_url(self.endpoint)
        with task.written(self.names[0], {"follows": {"before": None, "after": self.names[1]}}):
            self.old.ask("follow", url=url)
        step.outcome = f"{self.names[0]} follows {self.names[1]}"

    def look_after(self) -> None:
        """What only shows afterwards: the first sequence number, and the sessions. Nothing is raised yet: a handover
        that is not proved needs its way back the more."""
        task, cut = self.task, t.cast("Cut", self.cut)
        after = task.gateway_statuses()
        # A gateway that has gone took its sessions with it, and one that has come has others.
        stayed = [gateway for gateway in self.sessions if gateway in after]
        kept = [[side[gateway] for gateway in stayed] for side in (self.sessions, after)]
        task.found.invariants.append(decide_proof.sessions_kept(*kept))
        first = (self.opened or {}).get("sequence")
        if first is not None and first != cut.sequence + 1:
            difference = decide_proof.Difference("first sequence of the new epoch", cut.sequence + 1, first)
            wrong = decide_proof.Invariant("I1", "fail", f"the new epoch begins at {first}", (difference,))
            task.found.invariants = [wrong if one.id == "I1" else one for one in task.found.invariants]
        if self.announced:
            # Whichever of them tells clients: the new one may have it from the journal of the old one.
            for engine in (self.new, self.old):
                with contextlib.suppress(ControlError):
                    engine.ask("withdraw", within_s=_LEAVE_S)

    def end_badly(self, error: ReleaseError) -> None:
        """Before the new epoch the old engine returns; after it nothing goes back by itself."""
        task, (old, new) = self.task, self.names
        task.turn_back()
        # The journal is told what failed, and not what came of it later.
        known = error if self.opening else task.failed(error.message.partition(": ")[2], error.kind)
        # First of all: nobody trades.
        if self.opened is not None:
            self._judge_what_is_known()
            error.message += f"; {new} leads in epoch {self.new_epoch}, and going back is a handover to {old}"
        elif self.cut is None and not self.cutting:
            error.message += f"; {old} was not stopped"
        else:
            self._back(error)
        # Without an answer to the opening the entry stays open, and whoever recovers looks for himself.
        with contextlib.suppress(ReleaseError):
            self.intent.__exit__(type(known), known, None)
        if self.announced and self.opened is None and not isinstance(error, LockLost):
            with contextlib.suppress(ControlError):
                task.withdraw()

    def _judge_what_is_known(self) -> None:
        """Eight invariants are no pass, however good they are."""
        with contextlib.suppress(ReleaseError):
            self.task.judge()

    def _back(self, error: ReleaseError) -> None:
        try:
            with self.task.steps.step("back") as step:
                step.outcome = self._give_back()
                error.message += f"; {step.outcome}"
        except ReleaseError as second:
            error.message += f"; {second.message.partition(': ')[2]}"
            error.retriable = False

    def _acks(self) -> list[t.Any] | None:
        """What the gateways that there are now have acknowledged."""
        limit_s = min(self._left(), _SILENCE_S)
        with contextlib.suppress(ApiError):
            # A cluster that does not answer now keeps nobody: those that were found before are asked.
            self.task.gateways.find(limit_s)
        return self.task.acks(limit_s)

    def _proof_at(self, engine: Exchange) -> JsonObject:
        """The proof at the cut. The follower gets the tail meanwhile, and refuses until it has it."""
        task, cut = self.task, t.cast("Cut", self.cut)
        while True:
            left = self._left()
            try:
                found = engine.ask("proof", within_s=left, timeout_s=left, sequence=cut.sequence)
                if found["sequence"] == cut.sequence:
                    return task.proof_of(found)
                problem = f"it is at {found['sequence']}"
            except ControlError as error:
                if error.status != 409 and not error.is_unsure:
                    raise
                problem = error.message
            if task.clock.monotonic() >= self._open_at(cut):
                raise task.failed(
                    f"{engine.name} has no proof at sequence {cut.sequence} in time: {problem}", "deadline"
                )
            task.clock.sleep(_TAIL_PAUSE_S)

    def _open_at(self, cut: Cut) -> float:
        """When to open at the latest, on our clock: before the deadline, by what an answer may take."""
        return cut.end - min(_TO_OPEN_S, self.task.options.cut_deadline_s / 10)

    def _left(self) -> float:
        """Seconds until then. Never nothing: a request that is late is told by its answer."""
        return max(0.05, self._open_at(t.cast("Cut", self.cut)) - self.task.clock.monotonic())

    def _give_back(self) -> str:
        """Let the old engine trade again at once; where it does not take that, its deadline does it. A sentence."""
        task, old = self.task, self.names[0]
        if self.cut is not None:
            n = self.cut.epoch
            with contextlib.suppress(ControlError):
                self.old.ask("open", within_s=_LEAVE_S, epoch=n, after_epoch=n, after_sequence=self.cut.sequence)
                if self._returned(_LEAVE_S):
                    return f"{old} trades again in epoch {n}"
        if self._returned(task.options.cut_deadline_s + _AFTER_DEADLINE_S):
            # Without an answer nobody knows whether there ever was a cut.
            return f"{old} trades again, its deadline has brought it back" if self.cut is not None else f"{old} trades"
        until = self.cut.until_ms if self.cut is not None else None
        when = f" (its deadline was {clock_time(until / 1000)})" if until is not None else ""
        raise task.failed(f"{old} has not been seen to trade again{when}; look at it now", "closed")

    def _returned(self, limit_s: float) -> bool:
        def look() -> str | None:
            with contextlib.suppress(ControlError):
                if self.task.engine_status(self.old, within_s=1.0).leads:
                    return None
            return f"{self.names[0]} is closed"

        return self.task.steps.wait_for(look, limit_s, "back", guarded=False) is None

    def _new_leads(self, cut: Cut) -> bool:
        """Who won the record, when nobody got the answer: one of the two says so after the deadline at the latest."""
        limit_s = max(0.0, cut.end - self.task.clock.monotonic()) + _AFTER_DEADLINE_S
        won = False

        def look() -> str | None:
            nonlocal won
            with contextlib.suppress(ControlError):
                new = self.task.engine_status(self.new, within_s=1.0)
                won = new.leads and new.epoch == cut.epoch + 1
            if won:
                return None
            with contextlib.suppress(ControlError):
                if self.task.engine_status(self.old, within_s=1.0).leads:
                    return None
            return "nobody leads"

        self.task.steps.wait_for(look, limit_s, "open", guarded=False)
        return won

    def _part(self, name: str, began: float) -> None:
        self.parts[name] = round(1000 * (self.task.clock.monotonic() - began))

    def _measure(self, cut: Cut) -> None:
        """How long nobody traded: by the engines' own answers, and at most, by our clock from before the cut was sent
        until the opening was answered."""
        on = _whole((self.opened or {}).get("at_ms"))
        engines = on - cut.at_ms if on is not None and cut.at_ms is not None else None
        at_most = round(1000 * (self.task.clock.monotonic() - cut.at))
        self.task.found.matching_off = {"engines_ms": engines, "at_most_ms": at_most, "parts": self.parts}


def _whole(value: t.Any) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
