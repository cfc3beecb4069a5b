# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every way of draining works with: the engines and gateways, the journal, the steps, and what is found."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    ApiError,
    LeaseEnding,
    LockLost,
    ReleaseError,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.http import HttpSession
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import decide_proof, status
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.contract import Call
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.control import (
    ControlError,
    Exchange,
    tls_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.decide_drain import Seen
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.decide_proof import Invariant
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.gateways import Gateways
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.intent import ref_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.options import Endpoint, Options
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.pods import Gateway, Pods
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.steps import Steps, within

JsonObject = dict[str, t.Any]

#: Every key of the result, with its value for "nothing".
EMPTY_RESULT: t.Final[JsonObject] = {
    "state": {"before": None, "after": None},
    "mode": None,
    "steps": [],
    "invariants": [],
    "proofs": {"before": None, "after": None},
    "unsettled": [],
    "verdict": "none",
    "reason": "",
    "matching_off": None,
    "evidence": {},
    "warnings": [],
}

#: Lines of so many buckets are asked for. A book that differs in more of them differs everywhere.
_MOST_BUCKETS: t.Final = 16
_BACK_CLUSTER_S: t.Final = 3.0
_BACK_GATEWAY_S: t.Final = 3.0
#: A pod that has just been made has no address yet.
_ADDRESS_S: t.Final = 30.0


@dataclasses.dataclass
class Found:
    """What is known so far; a failure has it in its result."""

    changed: bool = False
    before: Seen | None = None
    after: Seen | None = None
    invariants: list[Invariant] = dataclasses.field(default_factory=list)
    proofs: dict[str, t.Any] = dataclasses.field(default_factory=lambda: {"before": None, "after": None})
    unsettled: list[str] = dataclasses.field(default_factory=list)
    verdict: str = "none"
    reason: str = ""
    matching_off: JsonObject | None = None
    evidence: JsonObject = dataclasses.field(default_factory=dict)
    warnings: list[str] = dataclasses.field(default_factory=list)


class Task:
    """One run of the module."""

    def __init__(
        self,
        options: Options,
        params: Mapping[str, t.Any],
        *,
        region: str,
        journal: Journal | None,
        steps: Steps,
        clock: Clock,
        pods: Pods | None = None,
        undoing: bool = False,
    ) -> None:
        self.options = options
        self.params = params
        self.region = region
        self.journal = journal
        self.steps = steps
        self.clock = clock
        self.pods = pods
        self.undoing = undoing
        #: Nothing goes back by itself any more: what is left is done even when the release is over for us.
        self.past = False
        self.found = Found()
        self._title = params["step"] or f"drain_trading {options.state}"
        self._namespace = params["namespace"]
        self._end: float | None = None
        # One for each run: the same id gives the same answer, so a second run must not use the first one's.
        run_id = secrets.token_hex(6)
        numbers = iter(range(1, 1_000_000))
        # Proofs and acknowledgements are asked for at the same time, and a new connection with TLS costs two round
        # trips while nobody trades.
        transport = HttpSession(clock, tls=tls_of(params["tls"]), connections=4)

        def connect(name: str, place: Endpoint, calls: Mapping[str, Call], returns: bool = True) -> Exchange:
            common: dict[str, t.Any] = {
                "region": region,
                "timeout_s": options.timeout_s,
                "new_id": lambda call: f"{run_id}-{next(numbers)}-{call}",
            }
            if place.url is not None:
                token_file = params["tls"]["token_file"]
                return Exchange(name, place.url, calls, transport, clock, token_file=token_file, **common)
            if self.pods is None or place.pod is None:
                raise AssertionError("a pod needs a cluster, which the options were checked for")
            url, shown = self.pods.path(place.pod, place.port), f"pod {place.pod}:{place.port}"
            return Exchange(name, url, calls, self.pods, clock, place=shown, returns=returns, **common)

        calls, gateway_calls = options.contract.engine, options.contract.gateway
        self.engine = connect("engine", options.engine, calls)
        self.new = connect("new_engine", options.new, calls) if options.new else None
        self.prover = connect("prove", options.prove, calls) if options.prove else self.new

        def connect_pod(one: Gateway) -> Exchange:
            place = Endpoint(None, one.pod, one.port)
            made = connect(f"gateway {one.pod}", place, gateway_calls, returns=False)
            made.end = self._end
            return made

        fixed = [
            connect(f"gateway {number}", Endpoint(url), gateway_calls)
            for number, url in enumerate(options.gateway_urls, start=1)
        ]
        self.gateways = Gateways(
            options, steps, pods, fixed, connect_pod, warnings=self.found.warnings, undoing=undoing
        )

    def peer_url(self, place: Endpoint) -> str:
        """Where other engines reach that one now: a pod that is replaced has another address."""
        if place.peer_url is not None:
            return place.peer_url
        if self.pods is None or place.pod is None:
            raise AssertionError("a pod needs a cluster, which the options were checked for")
        pods, pod, port = self.pods, place.pod, place.port
        address: str | None = None

        def look() -> str | None:
            nonlocal address
            address, problem = pods.address(pod, port)
            return problem or None

        left = self.steps.wait_for(look, _ADDRESS_S, "address", guarded=not self.past)
        if address is None:
            raise self.failed(f"{left} after {_ADDRESS_S:g} s", "gone")
        return address

    def until(self, end: float | None) -> None:
        """No request is tried after this, on the clock's monotonic time; None for no such limit."""
        self._end = end
        for exchange in (self.engine, self.new, self.prover, *self.gateways.all):
            if exchange is not None:
                exchange.end = end

    def turn_back(self) -> None:
        """The way back has its own times, and traders wait for it: a cluster that is away gets little of them."""
        self.until(None)
        if self.journal is not None:
            self.journal.kube.deadline_s = min(self.journal.kube.deadline_s, _BACK_CLUSTER_S)

    def look(self, *, new: bool = True) -> Seen:
        """Everybody's status now. The second engine is asked where it is needed, which it is not in an emergency."""
        if new:
            self.gateways.find()
        gateways = tuple(self.gateway_statuses(_BACK_GATEWAY_S if self.undoing else None).values())
        other = self.new or self.prover
        asked = new and self.options.state in ("drained", "status") and not self.options.wanted.emergency
        second = self.engine_status(other) if asked and other is not None else None
        # The engine last: what a gateway has sent is in its sequence.
        return Seen(self.engine_status(self.engine), second, gateways, int(1000 * self.clock.now()))

    def engine_status(self, engine: Exchange, within_s: float | None = None) -> status.Engine:
        fields = engine.ask("status", within_s=within_s)
        try:
            return status.engine_of(engine.name, fields, self.options.contract.our_mode(fields.get("mode")))
        except ValueError as error:
            raise self.unreadable(engine, error) from error

    def gateway_statuses(self, within_s: float | None = None) -> dict[Exchange, status.Gateway]:
        """The status of each gateway that is there."""

        def ask(gateway: Exchange) -> status.Gateway:
            try:
                return status.gateway_of(gateway.name, gateway.ask("status", within_s=within_s))
            except ValueError as error:
                raise self.unreadable(gateway, error) from error

        return self.gateways.ask(ask)

    def unreadable(self, exchange: Exchange, error: ValueError) -> ControlError:
        return ControlError(
            f"{self.region}: {exchange.name} ({exchange.place}) has no status that can be read: {error}",
            kind="answer",
            region=self.region,
        )

    def failed(self, problem: str, kind: str, *, retriable: bool = True) -> ReleaseError:
        """A failure of the drain itself."""
        return ReleaseError(
            f"{self.region}: {problem}", kind=kind, system="exchange", region=self.region, retriable=retriable
        )

    def may_go_on(self, within_s: float) -> None:
        """Whether the lock is ours and nobody has decided to undo, known in that time. Raises ReleaseError. A way back
        stops for a lock that somebody else has, and not for a cluster that is away."""
        if self.journal is None or self.journal.release is None:
            return
        try:
            if not within(self.journal.guard, within_s):
                raise self.failed(f"the lock could not be read within {within_s:.1f} s", "lock")
        except ReleaseError as error:
            if not self.undoing or (isinstance(error, LockLost) and not isinstance(error, LeaseEnding)):
                raise

    def go_on(self) -> None:
        """From here on the release may be over for us: the lock is still renewed, and what is wrong is only told."""
        self.past = True
        if self.journal is None:
            return
        journal = self.journal
        journal.kube.deadline_s = min(journal.kube.deadline_s, _BACK_CLUSTER_S)

        def hold() -> None:
            with self.told():
                journal.guard(undoing=True)

        self.steps.guard = hold

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """A fault of lock or journal that stops nothing."""
        try:
            yield
        except ReleaseError as error:
            sentence = f"{error.message}; the new epoch was open already, so the handover was brought to its end"
            if sentence not in self.found.warnings:
                self.found.warnings.append(sentence)

    @contextlib.contextmanager
    def written(self, name: str, fields: Mapping[str, Mapping[str, t.Any]], *, undoing: bool = False) -> Iterator[None]:
        """Journal what is about to be written to that engine, and after it what came of it. Raises when the release
        is over for us: then nothing was written. The way back does not wait for a cluster that is away."""
        with self.journaled(Change(ref_of(name, self._namespace), "drain", fields), undoing=undoing):
            yield

    @contextlib.contextmanager
    def journaled(self, change: Change, *, undoing: bool = False) -> Iterator[None]:
        """As `written`. A failure keeps what was intended only where that may have been done all the same."""
        undoing = undoing or self.undoing
        number = self._intend(change, undoing)
        self.found.changed = True
        try:
            yield
        except ReleaseError as error:
            # Without an outcome the entry keeps the whole intent: nobody knows whether it was done.
            unsure = isinstance(error, ControlError) and error.is_unsure
            if self.journal is not None and number is not None and not unsure:
                with contextlib.suppress(ReleaseError):
                    # A handover that failed may have left a cut that is pending.
                    kept = [change] if change.before is not None else []
                    self.journal.outcome(number, kept, error.message)
            raise
        if self.journal is None or number is None:
            return
        if self.past:
            with self.told():
                self.journal.outcome(number, [change])
            return
        try:
            self.journal.outcome(number, [change])
        except (ApiError, LeaseEnding):
            if not undoing:
                raise

    def _intend(self, change: Change, undoing: bool) -> int | None:
        """The number of the journal's entry; None when there is none."""
        if self.journal is None:
            return None
        if self.past:
            with self.told():
                return self.journal.intend(self._title, [change], undoing=True)
            return None
        try:
            return self.journal.intend(self._title, [change], undoing)
        except (ApiError, LeaseEnding) as error:
            if not undoing:
                raise
            self.found.warnings.append(f"the way back is not journaled: {error.message}")
            return None

    def set_mode(self, mode: str, was: str, *, pause_timers: bool, undoing: bool = False) -> JsonObject:
        """The sequenced command, journaled."""
        name = self.found.before.engine.name if self.found.before is not None else self.engine.name
        with self.written(name, {"mode": {"before": was, "after": mode}}, undoing=undoing):
            word = self.options.contract.modes[mode]
            return self.engine.ask("mode", mode=word, reason=self.options.wanted.reason, pause_timers=pause_timers)

    def withdraw(self) -> None:
        if self.engine.offers("withdraw"):
            self.engine.ask("withdraw")

    def proof_of(self, fields: Mapping[str, t.Any]) -> JsonObject:
        """The fields of an answer as a proof, with our word for the mode."""
        return decide_proof.canonical({**fields, "mode": self.options.contract.our_mode(fields.get("mode"))})

    def acks(self, within_s: float | None = None) -> list[t.Any] | None:
        """The newest acknowledged orders of all gateways; None when one does not tell."""
        if not self.gateways.offer("acks") or not self.engine.offers("acks"):
            return None
        answers = self.gateways.ask(
            lambda gateway: gateway.ask("acks", within_s=within_s, after=0)["acks"] or [], list_s=within_s
        )
        return [ack for acks in answers.values() for ack in acks]

    def missing_acks(self, engine: Exchange, known: list[t.Any] | None, within_s: float | None = None) -> Invariant:
        """I2, asked of the journal of that engine."""
        if known is None:
            return decide_proof.acknowledged(None, None)
        missing = engine.ask("acks", within_s=within_s, acks=known)["missing"] if known else []
        return decide_proof.acknowledged(len(known), missing)

    def settlements(self, within_s: float | None = None) -> list[str] | None:
        """The ids of what is not settled yet; None when the engine does not list them."""
        if not self.engine.offers("settlements"):
            return None
        pending = self.engine.ask("settlements", within_s=within_s)["pending"] or []
        return [str(one.get("id")) if isinstance(one, Mapping) else str(one) for one in pending]

    def with_items(
        self, invariants: list[Invariant], one: Exchange, other: Exchange, within_s: float
    ) -> list[Invariant]:
        """The same with the lines that differ, as far as they can be had in that time."""
        if not one.offers("items"):
            return invariants
        end = self.clock.monotonic() + within_s
        wanted = dict.fromkeys((d.kind, d.bucket) for inv in invariants for d in inv.differences if d.kind)
        lines: dict[tuple[str, str | None], tuple[list[t.Any], list[t.Any]]] = {}
        with contextlib.suppress(ControlError):
            for kind, bucket in list(wanted)[:_MOST_BUCKETS]:
                left = end - self.clock.monotonic()
                if left <= 0:
                    break
                lines[kind, bucket] = (
                    one.ask("items", within_s=left, kind=kind, bucket=bucket)["items"] or [],
                    other.ask("items", within_s=left, kind=kind, bucket=bucket)["items"] or [],
                )
        return [decide_proof.with_items(invariant, lines) for invariant in invariants]

    def judge(self, but: t.Collection[str] = ()) -> None:
        """The verdict over what was found. Raises ReleaseError of kind `not_proved` unless it is `pass`. The invariants
        of `but` are not judged yet."""
        known = {invariant.id for invariant in self.found.invariants}
        absent = [
            decide_proof.not_seen(number, "was not looked at")
            for number in decide_proof.NAMES
            if number not in known and number not in but
        ]
        invariants = [*(one for one in self.found.invariants if one.id not in but), *absent]
        self.found.verdict, self.found.reason = decide_proof.overall(invariants, self.options.allow_unknown)
        if self.found.verdict != "pass":
            raise self.failed(
                f"it is not proved that nothing is lost: {self.found.reason}", "not_proved", retriable=False
            )

    def result(self) -> JsonObject:
        """What is known, as the result has it."""
        found = self.found
        states = {"before": _state(found.before), "after": _state(found.after or found.before)}
        last = found.after or found.before
        evidence = dict(found.evidence)
        if last is not None:
            evidence["engines"] = [status.shown(one) for one in (last.engine, last.new) if one is not None]
            evidence["gateways"] = [status.shown(gateway) for gateway in last.gateways]
        return {
            "changed": found.changed,
            "diff": states,
            "state": states,
            "mode": leader_of(last).mode if last is not None else None,
            "steps": self.steps.done,
            "invariants": [one.to_result() for one in sorted(found.invariants, key=lambda one: one.id)],
            "proofs": {
                side: decide_proof.shortened(proof) if proof is not None else None
                for side, proof in found.proofs.items()
            },
            "unsettled": found.unsettled,
            "verdict": found.verdict,
            "reason": found.reason,
            "matching_off": found.matching_off,
            "evidence": evidence,
            "warnings": [f"{self.region}: {sentence}" for sentence in found.warnings],
        }


def leader_of(seen: Seen) -> status.Engine:
    """Who trades. Without anybody, the engine that the task is about."""
    return seen.new if seen.new is not None and seen.new.leads and not seen.engine.leads else seen.engine


def _state(seen: Seen | None) -> JsonObject | None:
    if seen is None:
        return None
    leader = leader_of(seen)
    return {
        "leader": leader.name if leader.leads else None,
        "mode": leader.mode,
        "epoch": leader.epoch,
        "sequence": leader.sequence,
        "ready": [gateway.ready for gateway in seen.gateways],
    }
