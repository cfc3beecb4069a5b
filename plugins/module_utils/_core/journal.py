# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a release in the cluster itself, and the guard in front of every write.

A region's journal is a ConfigMap: key `release` is the header, `before` the packed document of what was there, `0001`
and on are the entries. The fleet's has the header, the `decision`, that of a change of a model beside it, and where
each region is (`at-REGION`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import secrets
import typing as t
from collections.abc import Callable, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import controller
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    ApiError,
    LockLost,
    OptionError,
    Refused,
    ReleaseError,
    Undone,
    may_have_written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.fleet_lease import FleetLease
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.lease import Lease
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.maintenance import refuse_maintenance
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import (
    BROKEN,
    Change,
    Decision,
    Entry,
    FleetRef,
    ReleaseRef,
    unpack,
    unsummed,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.seal import check_seal, edited, seal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.store import Data, Store

__all__ = ["Change", "Decision", "Entry", "FleetRef", "Journal", "ReleaseRef"]

JOURNAL_NAME: t.Final = "pincex-release-journal"
#: The name of the fleet where regions have theirs.
FLEET: t.Final = "fleet"
JOURNAL_LABEL: t.Final = "pincex.io/release-journal"
#: Keys of the fleet's journal that say where a region is.
PLACE: t.Final = "at-"
#: Where the decision about a change of a model is, and in the header what it was once the change has ended.
MODEL_DECISION: t.Final = "model-decision"
MODEL_DECIDED: t.Final = "model_decided"
_IN_EVERY_HEADER: t.Final = frozenset({"id", "kind", "by", "opened_at", "state"})
_WHAT: t.Final = "the journal"


def journal_store(kube: KubeApi, namespace: str) -> Store:
    """The ConfigMap of a journal."""
    labels = {JOURNAL_LABEL: "true", "app.kubernetes.io/managed-by": "pincex-zero-downtime"}
    return Store(kube, namespace, JOURNAL_NAME, labels)


def header_of(data: Data) -> JsonObject:
    """The header of the newest release; empty when there never was one. As everything of a journal it is read out of
    data that are `sound`."""
    return t.cast("JsonObject", json.loads(data["release"])) if "release" in data else {}


def header_text(header: JsonObject) -> str:
    """A header as it is written down: sealed."""
    return json.dumps(seal(header), sort_keys=True)


def sound(data: Data, region: str) -> Data:
    """The data, when they are as they were written. Raises ReleaseError of kind `journal`.

    What is packed is looked into when it is read: it may be large, and gzip has a checksum of its own.
    """
    try:
        header = header_of(data)
        check_seal(header, region)
        if header and not header.keys() >= _IN_EVERY_HEADER:
            raise edited(region, _WHAT)
        decision_of(data)
        standby_of(data)
        for key, text in data.items():
            if key.isdigit():
                Entry.from_text(text)
            elif key.startswith(PLACE):
                json.loads(text)["step"]
    except BROKEN as error:
        raise edited(region, _WHAT) from error
    return data


def entries_of(data: Data) -> list[Entry]:
    """The entries, oldest first."""
    return [Entry.from_text(data[key]) for key in sorted(data) if key.isdigit()]


def before_of(data: Data, region: str) -> JsonObject | None:
    """The document of what was there before the release. Raises ReleaseError of kind `journal`."""
    return _unpacked(data, "before", region) if "before" in data else None


def finish_of(data: Data, region: str) -> JsonObject:
    """What is left to do when the release is kept: `fields` before it ends, `standby` fields after the warm standby,
    the `connections` to count before these, the `services` that it moved, and the `engines` that are told of the end
    of the standby, if there are any. Raises ReleaseError of kind `journal`."""
    empty: JsonObject = {"fields": [], "standby": [], "connections": [], "services": []}
    return {**empty, **_unpacked(data, "finish", region)} if "finish" in data else empty


def _unpacked(data: Data, key: str, region: str) -> JsonObject:
    try:
        return dict(unpack(data[key]))
    except BROKEN as error:
        raise edited(region, _WHAT) from error


def standby_of(data: Data) -> JsonObject | None:
    """The warm standby that has not ended: `release`, `until` (unix seconds), `fields`, and the `connections` to count
    before these (`service`, `slot`, `query`; none in a record that is older than they are). `engines` as above."""
    if "standby" not in data:
        return None
    record = unsummed(data["standby"])
    return {"connections": [], **record, **{name: record[name] for name in ("release", "until", "fields")}}


def decision_of(data: Data) -> Decision | None:
    """That of the release, or of the change of a model that is open."""
    key = _decision_key(data)
    return Decision.from_text(data[key]) if key in data else None


def _decision_key(data: Data) -> str:
    """A change of a model has a place of its own: the other one keeps what was decided of the last release."""
    header = header_of(data)
    return MODEL_DECISION if (header.get("kind"), header.get("state")) == ("model", "open") else "decision"


def write_decision(store: Store, release_id: str, wanted: Decision) -> tuple[Decision, bool]:
    """Write the decision if there is none. Returns the one that stands, and whether it was written now."""
    standing = wanted

    def once(data: Data) -> Data | None:
        nonlocal standing
        must_be_open(data, release_id, store.kube.region)
        found = decision_of(data)
        if found is not None:
            standing = found
            return None
        return {**data, _decision_key(data): wanted.to_text()}

    written = store.change(once)
    return standing, written or standing == wanted


def must_be_open(data: Data, release_id: str, region: str) -> None:
    """Raise LockLost unless the journal is that release's and open."""
    header = header_of(sound(data, region))
    if header.get("id") != release_id or header.get("state") != "open":
        found = f"{header['id']}, which is {header['state']}" if header else "no release"
        raise LockLost(
            f"{region}: the journal belongs to {found}, not to {release_id}; nothing is written", region=region
        )


def refuse_unfinished(data: Data, region: str) -> None:
    """Raise Refused when the journal holds a release that did not end, whatever the lease says."""
    header = header_of(sound(data, region))
    if header.get("state") != "open":
        return
    doing = [
        f"in {key.removeprefix(PLACE)} at {json.loads(data[key])['step']}" for key in data if key.startswith(PLACE)
    ]
    steps = [entry.step for entry in entries_of(data)]
    doing += [f"at {steps[-1]}"] if steps else []
    raise Refused(
        f"{region}: {header['kind']} {header['id']} by {header['by']} is unfinished since {header['opened_at']}, "
        f"{', '.join(doing) or 'before its first step'}; let it end, or recover it, before another one starts",
        region=region,
    )


class Journal:
    """The journal of one region during one task. Without a release nothing is journaled; in check mode nothing is
    written at all. `undoing` says that this task is the way back, which an `undo` does not stop."""

    def __init__(
        self,
        kube: KubeApi,
        namespace: str,
        release: ReleaseRef | None,
        clock: Clock,
        fleet: KubeApi | None = None,
        *,
        undoing: bool = False,
        check_mode: bool = False,
    ) -> None:
        self.kube = kube
        self.namespace = namespace
        self.release = release
        self.undoing = undoing
        self.check_mode = check_mode
        self._clock = clock
        self._store = journal_store(kube, namespace)
        self._lease = Lease(kube, namespace, clock)
        self._fleet = journal_store(fleet, release.fleet.namespace) if fleet and release else None
        self._fleet_lease = FleetLease(fleet, release.fleet.namespace, clock) if fleet and release else None
        self._noted = ""

    def guard(self, undoing: bool = False) -> None:
        """Whether this task may write now: asked immediately before every write, and by every gate while it waits.

        Raises LockLost when the lease or the controller is gone, Undone when the fleet has decided so, and without a
        release Refused when an unfinished one or a maintenance is in the way. Renews the lease when it is due.
        """
        release = self.release
        if release is None:
            data = self._store.read()
            refuse_unfinished(data, self.kube.region)
            refuse_maintenance(data, self.kube.region)
            return
        must_be_controlled(release, self.kube.region)
        if self._is_apart(release):
            # It holds the fleet's lease and none here: a gate may look, and `intend` refuses every write.
            self.look_at_fleet()
            return
        back = undoing or self.undoing
        if back and self.kube.region != FLEET:
            # First, since it goes on beside. Whoever wants to recover looks at the fleet's lock.
            self._renew_fleet(release, FleetLease.renew_beside)
        try:
            self._lease.hold(release.holder, release.token, release.renew_s, renew=not self.check_mode)
        except ApiError as error:
            if may_have_written(error) and not back:
                # A region that is away hears of an undo all the same: the others wait until it ends.
                with contextlib.suppress(ApiError):
                    self.look_at_fleet()
            raise
        if back:
            # It must not wait for a fleet that does not answer.
            return
        self.look_at_fleet()

    def _is_apart(self, release: ReleaseRef) -> bool:
        """Whether this is a region, and the release a change of weights, which is the fleet's alone."""
        return release.kind == "dns" and self.kube.region != FLEET

    def look_at_fleet(self) -> None:
        """The fleet's part of `guard`: also for a pause in which the region does not answer."""
        release = self.release
        if release is None:
            return
        self._renew_fleet(release, FleetLease.renew_beside if release.is_way_back else FleetLease.renew)
        if release.is_way_back or self._fleet is None:
            return
        data = self._fleet.read()
        must_be_open(data, release.id, self._fleet.kube.region)
        decision = decision_of(data)
        if decision is not None and decision.decision == "undo":
            raise Undone(decision.by, decision.reason, region=self.kube.region)

    def _renew_fleet(self, release: ReleaseRef, renew: Callable[[FleetLease, ReleaseRef], None]) -> None:
        """Where this release holds the fleet's lease: a recovery that was not told its token does not."""
        if self._fleet_lease is not None and release.fleet.token and not self.check_mode:
            renew(self._fleet_lease, release)

    def intend(self, step: str, changes: Sequence[Change], undoing: bool = False) -> int:
        """Write down what is about to be written, under the guard. Returns the number of the entry; 0 when nothing is
        journaled."""
        release = self.release
        _refuse_secrets(changes)
        if release is not None and self._is_apart(release):
            raise Refused(
                f"{self.kube.region}: {release.kind} {release.id} changes weights, and nothing in a region",
                region=self.kube.region,
            )
        if release is None or self.check_mode:
            self.guard(undoing)
            return 0
        mark = secrets.token_hex(6)
        number = 0

        def add(data: Data) -> Data | None:
            nonlocal number
            must_be_open(data, release.id, self.kube.region)
            entries = entries_of(data)
            mine = [entry.number for entry in entries if entry.mark == mark]
            if mine:
                number = mine[0]
                return None
            number = len(entries) + 1
            entry = Entry(number, step, mark, self._clock.now(), tuple(changes))
            return {**data, _key(number): entry.to_text()}

        self._store.change(add, lambda: self.guard(undoing))
        if not (undoing or self.undoing):
            self._note(step)
        return number

    def outcome(self, entry: int, changes: Sequence[Change], failed: str | None = None) -> None:
        """Write down what came of it: the changes with the API server's answers, or why it failed."""
        release = self.release
        _refuse_secrets(changes)
        if release is None or self.check_mode:
            return

        def end(data: Data) -> Data | None:
            must_be_open(data, release.id, self.kube.region)
            old = Entry.from_text(data[_key(entry)])
            new = dataclasses.replace(old, changes=tuple(changes), done=failed is None, failed=failed)
            return {**data, _key(entry): new.to_text()}

        # What was written is recorded even when the fleet has decided to undo it.
        self._store.change(end, lambda: self.guard(undoing=True))

    def entries(self) -> list[Entry]:
        """The writes of this release in this region, oldest first."""
        if self.release is None:
            return []
        data = self._store.read()
        must_be_open(data, self.release.id, self.kube.region)
        return entries_of(data)

    def before(self) -> JsonObject | None:
        """The document of what this region was before the release."""
        return before_of(sound(self._store.read(), self.kube.region), self.kube.region)

    def write_undo(self, by: str, reason: str) -> Decision:
        """Decide for the whole fleet that this release is taken back. Returns the decision that stands."""
        if self.release is None or self._fleet is None:
            raise OptionError("release", "needed to write a decision")
        wanted = Decision("undo", by, reason, self._clock.now())
        return write_decision(self._fleet, self.release.id, wanted)[0]

    def _note(self, step: str) -> None:
        """Tell the fleet's journal where this region is: that is what a refused second release is told."""
        release = self.release
        if self._fleet is None or release is None or release.is_way_back or step in ("", self._noted):
            return
        key = f"{PLACE}{re.sub(r'[^-._a-zA-Z0-9]', '-', self.kube.region)}"
        text = json.dumps({"step": step, "at": self._clock.now()}, sort_keys=True)
        region = self._fleet.kube.region

        def tell(data: Data) -> Data | None:
            return {**data, key: text} if is_ours(header_of(sound(data, region)), release) else None

        # No step fails for it: before every write the guard looks whether the fleet is still ours.
        with contextlib.suppress(ReleaseError):
            self._fleet.change(tell)
            self._noted = step


def is_ours(header: JsonObject, release: ReleaseRef) -> bool:
    """Whether the fleet's journal is open for that release, and nobody has taken it over."""
    found = (header.get("id"), header.get("state"), header.get("token"))
    return found == (release.id, "open", release.fleet.token)


def must_be_controlled(release: ReleaseRef, region: str) -> None:
    """Raise LockLost when the playbook that opened this release is gone."""
    if not controller.is_alive(release.controller_pid, release.controller_started):
        raise LockLost(
            f"{region}: the playbook of this release (process {release.controller_pid}) is gone, so nothing is written",
            region=region,
        )


def _refuse_secrets(changes: Sequence[Change]) -> None:
    for change in changes:
        if change.ref.kind == "Secret" and (change.before or change.after or change.fields):
            raise OptionError("objects", f"{change.ref}: a journal never holds Secrets")


def _key(number: int) -> str:
    """Keys of a ConfigMap sort as text."""
    return f"{number:04d}"
