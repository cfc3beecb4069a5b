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
    ReleaseError,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import decide_proof, status
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.contract import Call
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.control import (
    ControlError,
    Exchange,
    HttpTransport,
    tls_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.decide_drain import Seen
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.decide_proof import Invariant
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.options import Options
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.steps import Steps

JsonObject = dict[str, t.Any]

#: Lines of so many buckets are asked for. A book that differs in more of them differs everywhere.
_MOST_BUCKETS: t.Final = 16
_BACK_CLUSTER_S: t.Final = 3.0


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
    ) -> None:
        self.options = options
        self.region = region
        self.journal = journal
        self.steps = steps
        self.clock = clock
        self.found = Found()
        self._title = params["step"] or f"drain_trading {options.state}"
        self._namespace = params["namespace"]
        # One for each run: the same id gives the same answer, so a second run must not use the first one's.
        run_id = secrets.token_hex(6)
        numbers = iter(range(1, 1_000_000))
        transport = HttpTransport(clock, tls_of(params["tls"]))

        def connect(name: str, url: str, calls: Mapping[str, Call]) -> Exchange:
            return Exchange(
                name,
                url,
                calls,
                transport,
                clock,
                region=region,
                token_file=params["tls"]["token_file"],
                timeout_s=options.timeout_s,
                new_id=lambda call: f"{run_id}-{next(numbers)}-{call}",
            )

        calls = options.contract.engine
        self.engine = connect("engine", options.engine_url, calls)
        self.new = connect("new_engine", options.new_url, calls) if options.new_url else None
        self.prover = connect("prove", options.prove_url, calls) if options.prove_url else self.new
        self.gateways = [
            connect(f"gateway {number}", url, options.contract.gateway)
            for number, url in enumerate(options.gateway_urls, start=1)
        ]

    def until(self, end: float | None) -> None:
        """No request is tried after this, on the clock's monotonic time; None for no such limit."""
        for exchange in (self.engine, self.new, self.prover, *self.gateways):
            if exchange is not None:
                exchange.end = end

    def turn_back(self) -> None:
        """The way back has its own times, and traders wait for it: a cluster that is away gets little of them."""
        self.until(None)
        if self.journal is not None:
            self.journal.kube.deadline_s = min(self.journal.kube.deadline_s, _BACK_CLUSTER_S)

    def look(self, *, new: bool = True) -> Seen:
        """Everybody's status now. The second engine is asked where it is needed, which it is not in an emergency."""
        gateways = tuple(self.gateway_status(gateway) for gateway in self.gateways)
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

    def gateway_status(self, gateway: Exchange) -> status.Gateway:
        try:
            return status.gateway_of(gateway.name, gateway.ask("status"))
        except ValueError as error:
            raise self.unreadable(gateway, error) from error

    def unreadable(self, exchange: Exchange, error: ValueError) -> ControlError:
        return ControlError(
            f"{self.region}: {exchange.name} ({exchange.url}) has no status that can be read: {error}",
            kind="answer",
            region=self.region,
        )

    def failed(self, problem: str, kind: str, *, retriable: bool = True) -> ReleaseError:
        """A failure of the drain itself."""
        return ReleaseError(
            f"{self.region}: {problem}", kind=kind, system="exchange", region=self.region, retriable=retriable
        )

    @contextlib.contextmanager
    def written(self, name: str, fields: Mapping[str, Mapping[str, t.Any]], *, undoing: bool = False) -> Iterator[None]:
        """Journal what is about to be written to that engine, and after it what came of it. Raises when the release
        is over for us: then nothing was written. The way back does not wait for a cluster that is away."""
        change = Change(Ref("pincex.io/v1", "Exchange", name, self._namespace), "drain", fields)
        number = self._intend(change, undoing)
        self.found.changed = True
        try:
            yield
        except ReleaseError as error:
            # Without an outcome the entry keeps the whole intent: nobody knows whether it was done.
            unsure = isinstance(error, ControlError) and error.is_unsure
            if self.journal is not None and number is not None and not unsure:
                with contextlib.suppress(ReleaseError):
                    self.journal.outcome(number, [], error.message)
            raise
        if self.journal is None or number is None:
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
        if not self.gateways or not self.gateways[0].offers("acks") or not self.engine.offers("acks"):
            return None
        known: list[t.Any] = []
        for gateway in self.gateways:
            known += gateway.ask("acks", within_s=within_s, after=0)["acks"] or []
        return known

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
