# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The full drain: to a halt with everything settled, a snapshot that another engine has proved, and nobody connected.

The point of no return is the first closed session. Until there a failure puts the engine back into its old mode.
"""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Callable, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import clock_time
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    LeaseEnding,
    LockLost,
    ReleaseError,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import decide_drain, decide_proof
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.control import ControlError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.decide_drain import Seen
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.steps import Step
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.task import JsonObject, Task

#: The client is to come again, somewhere else or later.
_SERVICE_RESTART: t.Final = 1012
#: Cancels go on during `cancel_only`, so the engine may have moved on behind a snapshot.
_SNAPSHOT_TRIES: t.Final = 3
#: An engine that does not answer for so long is not put back by us.
_BACK_S: t.Final = 30.0


def drain_full(task: Task, seen: Seen, total_s: float) -> None:
    """All steps that are left. Raises ReleaseError with what is known in the task."""
    drain = _Full(task, seen, total_s)
    names = decide_drain.next_steps(task.options.wanted, seen)
    actions: Mapping[str, Callable[[Step], None]] = {
        "announce": drain.announce,
        "cancel_only": functools.partial(drain.mode, "cancel_only"),
        "in_flight": drain.in_flight,
        "settlement": drain.settlement,
        "halt": functools.partial(drain.mode, "halted"),
        "snapshot": drain.snapshot,
        "prove": drain.prove,
        "sessions": drain.sessions,
        "unready": drain.unready,
    }
    name = ""
    try:
        for name in names:
            with task.steps.step(name) as step:
                actions[name](step)
        if names:
            drain.judge()
    except ReleaseError as error:
        drain.end_badly(error, past=name in ("sessions", "unready"))
        raise


class _Full:
    def __init__(self, task: Task, seen: Seen, total_s: float) -> None:
        self.task = task
        self.seen = seen
        self.total_s = total_s
        self.limits = task.options.step_s
        self.now_mode = seen.engine.mode
        self.announced = False
        self.mode_sent = False
        self.manifest: JsonObject = {}

    def announce(self, step: Step) -> None:
        task, options = self.task, self.task.options
        now = task.clock.now()
        # After a halt nobody has to be given time, and who runs the drain again has given it.
        wait_s = options.announce_s if self.now_mode == "online" else 0.0
        with task.written(self.seen.engine.name, {"announcement": {"before": None, "after": options.wanted.reason}}):
            self.announced = True
            task.engine.ask(
                "announce",
                reason=options.wanted.reason,
                **instants(now + wait_s, now + self.total_s),
            )
        step.outcome = f"effective {clock_time(now + wait_s)}"
        task.steps.rest(wait_s, "announce")

    def mode(self, mode: str, step: Step) -> None:
        self.mode_sent = True
        # The exchange would cancel everything of a client whose timer runs out while he cannot renew it.
        found = self.task.set_mode(mode, self.now_mode, pause_timers=True)
        self.now_mode = mode
        self.task.found.evidence[f"{mode}_sequence"] = found.get("sequence")
        step.outcome = f"{mode} at sequence {found.get('sequence')}"

    def in_flight(self, step: Step) -> None:
        task, row = self.task, 0

        def look() -> str | None:
            nonlocal row
            count = decide_drain.in_flight(task.look(new=False))
            if count is None:
                return "nobody counts orders in flight"
            row = row + 1 if count == 0 else 0
            if count == 0:
                return (
                    None
                    if row >= task.options.polls
                    else f"nothing is in flight, seen {row} of {task.options.polls} times"
                )
            return f"{count} orders are in flight"

        if decide_drain.in_flight(self.seen) is None:
            # No time makes them count.
            if "I2" not in task.options.allow_unknown:
                self._stop_unless_emergency("nobody counts orders in flight", "in_flight", step)
            step.outcome = "not counted"
            return
        left = task.steps.wait_for(look, self.limits["in_flight"], "in_flight")
        if left is not None:
            self._stop_unless_emergency(f"{left} after {self.limits['in_flight']:g} s", "in_flight", step)

    def settlement(self, step: Step) -> None:
        task, allowed = self.task, self.task.options.allow_unsettled
        count = 0

        def look() -> str | None:
            nonlocal count
            pending = task.settlements()
            found = task.engine_status(task.engine).pending_settlements if pending is None else len(pending)
            task.found.unsettled = pending or []
            if found is None:
                return "the engine does not say what is not settled"
            count = found
            return None if count == 0 else f"{count} trades are not settled"

        left = task.steps.wait_for(look, self.limits["settlement"], "settlement")
        if left is None:
            return
        told = f"{left} after {self.limits['settlement']:g} s: {', '.join(task.found.unsettled[:20])}"
        if 0 < count <= allowed:
            step.outcome = f"{count} left over, {allowed} allowed"
            task.found.warnings.append(told)
        else:
            self._stop_unless_emergency(f"{told}; allow_unsettled is {allowed}", "unsettled", step)

    def snapshot(self, step: Step) -> None:
        """A snapshot and the engine's own proof at the same sequence number."""
        task, limit_s = self.task, self.limits["snapshot"]
        live: JsonObject | None = None
        for _attempt in range(_SNAPSHOT_TRIES):
            ask = functools.partial(task.engine.ask, "snapshot", timeout_s=limit_s, within_s=limit_s)
            self.manifest = task.steps.long(ask, "snapshot")
            task.found.changed = True
            live = self._live_proof()
            if live is not None:
                break
        sequence = self.manifest["sequence"]
        if live is None:
            step.outcome = f"sequence {sequence}; the engine has moved on"
            task.found.warnings.append(
                "the engine moved on behind its snapshot, so the snapshot's own proof is compared"
            )
            if self.manifest.get("proof") is None:
                raise task.failed("the engine gives no proof at the snapshot's sequence number", "not_proved")
            live = task.proof_of(self.manifest["proof"])
        else:
            step.outcome = f"sequence {sequence}"
        durable = task.engine_status(task.engine).durable_sequence
        if durable is not None and sequence is not None and durable < int(sequence):
            problem = f"the snapshot is at sequence {sequence} and the journal on disk only at {durable}"
            raise task.failed(problem, "journal")
        task.found.proofs["before"] = live

    def _live_proof(self) -> JsonObject | None:
        """None when the engine is not at that sequence number any more, or gives no proofs."""
        task, limit_s = self.task, self.limits["prove"]
        if not task.engine.offers("proof"):
            return None
        sequence = self.manifest["sequence"]
        ask = functools.partial(task.engine.ask, "proof", timeout_s=limit_s, within_s=limit_s, sequence=sequence)
        try:
            found = task.steps.long(ask, "proof")
        except ControlError as error:
            if error.status == 409:
                return None
            raise
        return task.proof_of(found) if found["sequence"] == sequence else None

    def prove(self, step: Step) -> None:
        task, limit_s = self.task, self.limits["prove"]
        before = task.found.proofs["before"]
        if task.prover is None:
            # Only an emergency comes here without one.
            task.found.invariants = decide_proof.sound(before)
            step.outcome = "nobody to prove it"
            task.found.warnings.append("the snapshot was not loaded in a second engine")
            task.found.verdict, task.found.reason = "unknown", "the snapshot was not loaded in a second engine"
            return
        ask = functools.partial(
            task.prover.ask,
            "verify",
            timeout_s=limit_s,
            within_s=limit_s,
            sequence=self.manifest["sequence"],
            snapshot=self.manifest.get("sha256"),
            url=task.peer_url(task.options.engine),
        )
        after = task.proof_of(task.steps.long(ask, "prove"))
        task.found.proofs["after"] = after
        task.found.invariants = [*decide_proof.compare(before, after), task.missing_acks(task.engine, task.acks())]
        try:
            task.judge(but=("I9",))
        except ReleaseError as error:
            self._stop_unless_emergency(error.message.partition(": ")[2], "not_proved", step)

    def sessions(self, step: Step) -> None:
        task, options, limit_s = self.task, self.task.options, self.limits["sessions"]
        before = list(task.gateway_statuses().values())
        left: list[str] | None = None
        if task.gateways.offer("close"):
            told = {"waves": options.waves, "jitter_s": options.jitter_s, "reason": options.wanted.reason}
            answers = task.gateways.ask(
                lambda gateway: gateway.ask(
                    "close", timeout_s=limit_s, within_s=limit_s, code=_SERVICE_RESTART, **told
                ),
                "sessions",
            )
            left = [_session(one) for answer in answers.values() for one in answer.get("left") or []]
            step.outcome = f"{len(left)} did not end" if left else "all ended"
        else:
            step.outcome = "not offered"
        task.found.invariants.append(decide_proof.sessions_closed(before, left))

    def unready(self, step: Step) -> None:
        if not self.task.gateways.offer("ready"):
            step.outcome = "not offered"
            return
        self.task.gateways.ask(lambda gateway: gateway.ask("ready", ready=False))

    def end_badly(self, error: ReleaseError, *, past: bool) -> None:
        """Back into the old mode, while that is right; the message says which it is."""
        task, emergency = self.task, self.task.options.wanted.emergency
        task.turn_back()
        if past or emergency:
            if self.mode_sent or past:
                why = "sessions were closed already" if past else "an emergency never goes back by itself"
                error.message += f"; {self.seen.engine.name} stays {self.now_mode}, because {why}"
            return
        if isinstance(error, LockLost) and not isinstance(error, LeaseEnding):
            error.message += f"; whoever has the lock now finds {self.seen.engine.name} {self.now_mode}"
            return
        back = decide_drain.back_to(task.options.wanted, self.seen.engine)
        try:
            with task.steps.step("back"):
                # The write may have been refused, or done although its answer was lost.
                self.now_mode = task.engine_status(task.engine, _BACK_S).mode
                if self.now_mode != back:
                    task.set_mode(back, self.now_mode, pause_timers=False, undoing=True)
                    self.now_mode = back
                if self.announced or self.seen.engine.announced is not None:
                    task.withdraw()
        except ReleaseError as second:
            error.message += f"; and it could not be put back: {second.message}"
            error.retriable = False
        else:
            error.message += f"; {self.seen.engine.name} is {back} again"

    def judge(self) -> None:
        """The verdict over everything. An emergency tells it and goes on: what it stopped has to stay stopped."""
        try:
            self.task.judge()
        except ReleaseError as error:
            if not self.task.options.wanted.emergency:
                raise
            self.task.found.warnings.append(error.message.partition(": ")[2])

    def _stop_unless_emergency(self, problem: str, kind: str, step: Step) -> None:
        if not self.task.options.wanted.emergency:
            raise self.task.failed(problem, kind)
        step.outcome = problem
        self.task.found.warnings.append(problem)


def instants(effective: float, deadline: float) -> JsonObject:
    """The two instants of an announcement, in both forms that an exchange may want."""
    both = {"effective_at": effective, "deadline_at": deadline}
    texts = {f"{name}_text": clock_time(at) for name, at in both.items()}
    return {**{name: int(1000 * at) for name, at in both.items()}, **texts}


def _session(one: t.Any) -> str:
    return str(one.get("id")) if isinstance(one, Mapping) else str(one)
