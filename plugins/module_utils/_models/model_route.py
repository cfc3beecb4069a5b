# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the HTTPRoute of a model, and write its traffic and its note together by compare-and-swap."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_rules import (
    NOTE_ANNOTATION,
    MirrorRules,
    dropped,
    mirrored_of,
    note_of,
    route_problem,
    traffic_of,
    with_traffic,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_traffic import (
    Note,
    Traffic,
    gaining,
    traffic_problem,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import route as routes
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_weights import pods_for
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.routes import (
    TAKEN_BACK,
    Routes,
    Shift,
    bare,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.set_back import set_back

#: What bad input is blamed on.
OPTION: t.Final = "route"
_POLL_S: t.Final = 0.03


@dataclasses.dataclass(frozen=True)
class Found:
    """A route as it was read. `mirrored`: which requests it copies, None where it copies none."""

    route: JsonObject
    traffic: Traffic
    note: Note | None
    mirrored: MirrorRules | None


@dataclasses.dataclass(frozen=True)
class Wrote:
    """What became of a write. `changed`: whether there was anything to write, in check mode too. `at`: when the API
    server had accepted it (unix seconds), None when nothing was written."""

    changed: bool
    at: float | None = None
    warnings: tuple[str, ...] = ()


class ModelShift(Shift):
    """One route of a model that gets other traffic or another note."""

    @property
    def old(self) -> dict[str, int] | None:
        return _shares(self.live)

    @property
    def new(self) -> dict[str, int] | None:
        return _shares(self.after)

    def change(self, ref: Ref, after: JsonObject | None, back: bool) -> Change:
        fields: dict[str, dict[str, t.Any]] = {"traffic": {"before": told(self.live), "after": told(after)}}
        if back:
            fields[TAKEN_BACK] = {"before": None, "after": True}
        return Change(ref, "models", fields, bare(self.live), bare(after))

    def reads(self, obj: JsonObject | None) -> str:
        if obj is None:
            return "no route"
        return f"{traffic_of(obj) or 'no weights'}, noted: {_annotation(obj) or 'nothing'}"

    def part(self, obj: JsonObject) -> t.Any:
        return obj["spec"], _annotation(obj)

    def onto(self, now: JsonObject, after: JsonObject) -> JsonObject:
        annotations = {**(now["metadata"].get("annotations") or {}), NOTE_ANNOTATION: _annotation(after)}
        left = {key: value for key, value in annotations.items() if value is not None}
        return {**now, "spec": after["spec"], "metadata": {**now["metadata"], "annotations": left}}


class PartOfRollback(ModelShift):
    """One that a rollback of the environment makes: it is what that release does, so its undo takes it back too."""

    def change(self, ref: Ref, after: JsonObject | None, back: bool) -> Change:  # noqa: ARG002 - as any other shift
        return super().change(ref, after, False)


class ModelRoute:
    """The route of one model. `accept_s`: how long the gateway has to accept a write. `min_ready`: how many pods a slot
    that gains has to have ready; None for as many as its share of the larger slot's."""

    def __init__(self, session: Session, name: str, *, accept_s: float = 30.0, min_ready: int | None = None) -> None:
        self.session = session
        self.name = name
        self.accept_s = accept_s
        self.min_ready = min_ready
        self.routes = Routes(session.kube, session.namespace, option=OPTION)

    def read(self) -> Found:
        """Raises OptionError when there is no such route or it sends to no slots, and ReleaseError of kind `note` when
        somebody has edited what is noted on it."""
        live = self.routes.must_get(self.name)
        return found_in(live, self.session.region)

    def write(
        self,
        found: Found,
        traffic: Traffic,
        note: Note | None,
        mirrored: MirrorRules | None,
        step: str,
        *,
        check_mode: bool,
        back: bool = False,
    ) -> Wrote:
        """Bring the route to this traffic and note, and wait until the gateway has accepted that.

        Forward it is refused when a slot that gains has too few ready pods (`capacity`), or somebody else has changed
        the route since it was read (`conflict`). With `back` it is the way back: no undo takes it back but that of a
        rollback of the environment, one ready pod is enough, and what somebody else has written meanwhile is written
        over. An error after the write has `partial` with `changed`.
        """
        journal = self.session.journal
        journal.guard(back)
        self._must_fit(found, traffic, mirrored)
        release = journal.release
        # A recovery goes on with a rollback; the way back of a change of a model is none that a recovery undoes.
        kind = PartOfRollback if release and release.kind in ("rollback", "recover") else ModelShift

        def planned(live: JsonObject) -> ModelShift | None:
            shift = kind(self.name, live, with_traffic(live, traffic, note, mirrored))
            return shift if shift.part(live) != shift.part(t.cast("JsonObject", shift.after)) else None

        if back:
            return self._write_back(lambda: planned(self.routes.must_get(self.name)), step, check_mode)
        shift = planned(found.route)
        if shift is None:
            return Wrote(False)
        self._must_carry(found.traffic, traffic)
        would = self.routes.write(journal, shift, dry_run=True)
        problem = dropped(shift.after or {}, would or {})
        if problem:
            raise OptionError(OPTION, f"{self.name}: {problem}", region=self.session.region)
        if check_mode:
            return Wrote(True)
        written = self.routes.write_each(journal, [shift], step)
        for error in (*written.errors.values(), written.unrecorded):
            if error is not None:
                error.partial = {"changed": bool(written.done or written.unsure)}
                raise error
        self._must_be_accepted()
        return Wrote(True, written.at)

    def _write_back(self, plan: t.Callable[[], ModelShift | None], step: str, check_mode: bool) -> Wrote:
        done = set_back(
            self.routes, self.session.journal, [self.name], lambda _name: plan(), step, check_mode=check_mode
        )
        changed = bool(done.done or done.unsure)
        for error in done.failed.values():
            error.partial = {"changed": changed}
            raise error
        if changed and not check_mode:
            self._must_be_accepted()
        return Wrote(changed, done.at, tuple(done.warnings))

    def _must_fit(self, found: Found, traffic: Traffic, mirrored: MirrorRules | None) -> None:
        # Weights that are there already are kept whatever they are.
        stays = traffic == Traffic(found.traffic.weights)
        problem = None if stays else traffic_problem(traffic)
        problem = problem or route_problem(found.route, traffic, mirrored)
        if problem:
            raise OptionError(OPTION, f"{self.name}: {problem}", region=self.session.region)

    def _must_carry(self, before: Traffic, after: Traffic) -> None:
        gains = gaining(before, after)
        ready = {slot: self.routes.ready(self.name, slot) for slot in routes.SLOTS} if gains else {}
        for slot, share in gains.items():
            self.routes.must_be_ready(self.name, [slot], self.min_ready or pods_for(share, ready))

    def _must_be_accepted(self) -> None:
        problem = wait_until_accepted(self.routes, self.name, self.accept_s)
        if problem:
            error = ReleaseError(
                f"{self.session.region}: route {self.name}: it is written, and within {self.accept_s:g} s not in "
                f"effect: {problem}",
                kind="not_accepted",
                system="gateway",
                region=self.session.region,
                retriable=True,
            )
            error.partial = {"changed": True}
            raise error


def found_in(live: JsonObject, region: str) -> Found:
    """What a route says that sends to the slots. Raises ReleaseError of kind `note` when its note was edited."""
    try:
        note = note_of(live)
    except ValueError as error:
        raise ReleaseError(
            f"{region}: HTTPRoute {live['metadata']['name']}: its annotation {NOTE_ANNOTATION} is not as it was "
            f"written: {error}; take the annotation away, give the traffic to the champion, and deploy the challenger "
            "again",
            kind="note",
            system="kubernetes",
            region=region,
        ) from error
    return Found(live, t.cast("Traffic", traffic_of(live)), note, mirrored_of(live))


def wait_until_accepted(found: Routes, name: str, timeout_s: float) -> str | None:
    """Wait until the gateway serves the route as it is now. Returns why it does not within that time."""
    clock = found.kube.clock
    end = clock.monotonic() + timeout_s
    while True:
        problem = routes.not_accepted(found.must_get(name))
        if problem is None or clock.monotonic() >= end:
            return problem
        clock.sleep(_POLL_S)


def told(route: JsonObject | None) -> JsonObject | None:
    """The traffic of a route for a result and a journal."""
    traffic = traffic_of(route) if route is not None else None
    return None if traffic is None else traffic.told()


def _shares(route: JsonObject | None) -> dict[str, int] | None:
    traffic = traffic_of(route) if route is not None else None
    return None if traffic is None else traffic.shares


def _annotation(route: JsonObject) -> str | None:
    text = (route["metadata"].get("annotations") or {}).get(NOTE_ANNOTATION)
    return None if text is None else str(text)
