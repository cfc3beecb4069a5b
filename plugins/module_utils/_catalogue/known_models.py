# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who serves the models of an environment: as a region has it, as a revision records it, and how the two differ. Pure.

A *read* is what one task of k8s_revision returned that read all models of a region, also one that failed. A *record*
is what a revision has of a model: `champion`, `challenger` and `strategy`, each a text or null; with `unknown`, a
sentence, nobody knows them.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.verdicts import STANDING, failure_reason
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_rules import NOTE_ANNOTATION, note_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_traffic import Note
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import KIND

JsonObject = dict[str, t.Any]
Read = Mapping[str, t.Any]
Record = Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Seen:
    """A model in one region. `champion`: the version that serves, None where nothing does. `challenger`: the version
    beside it, by its `strategy`; None without one. `leaving`: the version that a rollback takes out of the traffic,
    None without a note; `back`: the version that has all of it then, and `ready`: whether pods of that one are."""

    champion: str | None
    challenger: str | None = None
    strategy: str | None = None
    leaving: str | None = None
    back: str | None = None
    ready: bool = False

    @property
    def record(self) -> JsonObject:
        return {"champion": self.champion, "challenger": self.challenger, "strategy": self.strategy}


def seen_in(read: Read, region: str, names: Sequence[str]) -> dict[str, Seen | str]:
    """Every model of `names` in a region; a sentence for one of which nobody knows anything."""
    document = read.get("revision")
    if not document or read.get("msg"):
        why = failure_reason(read) if read.get("msg") else "its models were not read"
        return dict.fromkeys(names, why if why.startswith(region) else f"{region}: {why}")
    routes = {str(obj["metadata"]["name"]): obj for obj in document.get("objects") or [] if obj.get("kind") == KIND}
    found: dict[str, Seen | str] = {}
    for name in names:
        try:
            note = note_of(routes[name]) if name in routes else None
        except ValueError:
            found[name] = f"{region}: the annotation {NOTE_ANNOTATION} of HTTPRoute {name} was edited"
            continue
        found[name] = _seen((document.get("services") or {}).get(name) or {}, note)
    return found


def _seen(service: Mapping[str, t.Any], note: Note | None) -> Seen:
    slots: Mapping[str, Mapping[str, t.Any]] = service.get("slots") or {}

    def version(slot: str | None) -> str | None:
        found = (slots.get(slot or "") or {}).get("version")
        return None if found is None else str(found)

    if note is None:
        return Seen(version(service.get("live_slot")))
    back = version(note.champion_slot)
    if note.champion is not None and note.champion != back:
        # Somebody else has taken the slot since.
        back = None
    pods = slots.get(note.champion_slot) or {}
    ready = back is not None and min(int(pods.get(key) or 0) for key in ("replicas", "ready_replicas")) > 0
    if note.promoted:
        return Seen(note.challenger, leaving=note.challenger, back=back, ready=ready)
    return Seen(version(note.champion_slot), note.challenger, note.strategy, note.challenger, back, ready)


def environment_models(reads: Mapping[str, Read], names: Sequence[str]) -> dict[str, JsonObject]:
    """The record of every model, out of the reads of all regions that were asked. One that a region does not tell, or
    that is not the same in all of them, is unknown."""
    seen = {region: seen_in(read, region, names) for region, read in reads.items()}
    return {name: _record({region: found[name] for region, found in seen.items()}) for name in sorted(names)}


def _record(by_region: Mapping[str, Seen | str]) -> JsonObject:
    records = {region: one.record for region, one in by_region.items() if isinstance(one, Seen)}
    problems = [one for one in by_region.values() if isinstance(one, str)]
    first: JsonObject = next(iter(records.values()), {"champion": None, "challenger": None, "strategy": None})
    if problems or not records:
        return _unknown("; ".join(problems) or "no region was asked")
    if any(record != first for record in records.values()):
        return _unknown(", ".join(f"{region} has {in_words(record)}" for region, record in records.items()))
    return first


def _unknown(why: str) -> JsonObject:
    return {"champion": None, "challenger": None, "strategy": None, "unknown": why}


def unknown_lines(models: Mapping[str, Record], what: str) -> list[str]:
    """A warning for the models of which nobody knows how they are, together where the reason is the same. `what`: of
    which they are no part, as `deploy`."""
    reasons: dict[str, list[str]] = {}
    for name, record in models.items():
        if record.get("unknown"):
            reasons.setdefault(str(record["unknown"]), []).append(name)
    return [
        f"warning: who serves {', '.join(names)} is recorded as unknown with this {what}: {why}; look with "
        "model_status.yml"
        for why, names in reasons.items()
    ]


def in_words(record: Record | None) -> str:
    """A record for people."""
    if not record:
        return "nothing"
    if record.get("unknown"):
        return "unknown"
    beside = f" beside {record['challenger']} ({record['strategy']})" if record.get("challenger") else ""
    return f"{record.get('champion') or 'nothing'}{beside}"


def model_changes(before: Mapping[str, Record], after: Mapping[str, Record]) -> dict[str, str]:
    """What changed of the models from one revision to the next: `v2.0.0 -> v2.1.0`, by model."""
    both = {name: (in_words(before.get(name)), in_words(after.get(name))) for name in sorted({*before, *after})}
    return {name: f"{then} -> {now}" for name, (then, now) in both.items() if then != now}


def changes_by_revision(revisions: Sequence[Mapping[str, t.Any]]) -> dict[int, dict[str, str]]:
    """By number, what changed of the models since the revision before that has any, of the headers in their order. A
    release that was taken back, and one that follows another, is no revision."""
    found: dict[int, dict[str, str]] = {}
    last: Mapping[str, Record] | None = None
    for header in revisions:
        models = header.get("models")
        if not models or header.get("outcome") not in STANDING or header.get("follows") is not None:
            continue
        found[int(header["number"])] = {} if last is None else model_changes(last, models)
        last = models
    return found


def drift_lines(revision: Mapping[str, t.Any] | None, regions: Mapping[str, Mapping[str, Record]]) -> list[str]:
    """A line for each model whose champion is not that of the newest revision, or not known now. `revision`: its
    header; `regions`: the record of each model there, none of a region that was not read. A model that was promoted
    since is no fault."""
    recorded: Mapping[str, Record] = (revision or {}).get("models") or {}
    lines, unread = [], dict[str, list[str]]()
    for name, record in recorded.items():
        others: dict[str, list[str]] = {}
        for region, models in regions.items():
            now = models.get(name)
            if now is None:
                continue
            if now.get("unknown"):
                unread.setdefault(str(now["unknown"]), []).append(name)
            elif not record.get("unknown") and now.get("champion") != record.get("champion"):
                others.setdefault(str(now.get("champion") or "nothing"), []).append(region)
        if others:
            where = ", ".join(
                f"{version} in {'every region' if len(found) == len(regions) else ', '.join(found)}"
                for version, found in others.items()
            )
            lines.append(
                f"model {name}: the champion is {where}, and revision {(revision or {}).get('number')} has "
                f"{record.get('champion') or 'nothing'}; a model that was promoted since is no drift"
            )
    return [
        *lines,
        *(f"models {', '.join(dict.fromkeys(names))} are not known: {why}" for why, names in unread.items()),
    ]
