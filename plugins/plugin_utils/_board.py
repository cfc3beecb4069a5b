# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release has done so far in every region, gathered from the facts that the roles set. Pure: no I/O, no clock.

Facts come from a playbook that may be newer, older or somebody else's. So everything is read with suspicion: what has
another type than expected counts as absent, and nothing here raises.
"""

from __future__ import annotations

import dataclasses
import typing as t
import unicodedata
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.redact import redact

Tone = t.Literal["plain", "good", "bad", "busy", "dim"]

#: The fact that every release sets first, in every region. A playbook without it is none of our business.
FIRST_FACT: t.Final = "release_region_verdict"
_UNTOUCHED: t.Final = "untouched"
_TONES: t.Final[Mapping[str, Tone]] = {
    "pass": "good",
    "released": "good",
    "whole": "good",
    "keep": "good",
    "running": "busy",
    "recovering": "busy",
    "taking back": "busy",
    "taken_back": "busy",
    "untouched": "dim",
    "left_out": "dim",
}
#: What a task is about, in a word that fits into a cell.
_ACTIVITIES: t.Final = {
    "k8s_revision": "apply",
    "k8s_rollout_gate": "gate",
    "k8s_traffic": "traffic",
    "release_journal": "journal",
    "wait_for": "standby",
}
_LATEST: t.Final = 4_102_444_800.0  # the year 2100: a later instant is no instant


@dataclasses.dataclass(frozen=True)
class Row:
    """A step that a region has ended. Instants are seconds since 1970."""

    name: str
    verdict: str
    started: float | None = None
    ended: float | None = None
    reason: str = ""

    @property
    def seconds(self) -> float | None:
        if self.started is None or self.ended is None:
            return None
        return max(0.0, self.ended - self.started)


@dataclasses.dataclass(frozen=True)
class Region:
    """One line of the board."""

    name: str
    verdict: str = _UNTOUCHED
    reason: str = ""
    steps: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    began: float | None = None
    go: bool = False
    undo: bool = False
    recover: bool = False
    activity: str = ""

    @property
    def phase(self) -> str:
        """The verdict, or what is being done as long as there is no other: running, taking back, recovering."""
        if self.verdict == "released" and self.undo:
            return "taking back"
        if self.verdict == "whole" and self.recover:
            return "recovering"
        if self.verdict != _UNTOUCHED:
            return self.verdict
        if self.rows and self.rows[-1].verdict != "pass":
            return "taking back"
        return "running" if self.began is not None and self.go else _UNTOUCHED

    @property
    def now(self) -> str | None:
        """The step that is being taken."""
        done = len(self.rows)
        return self.steps[done] if self.phase in ("running", "recovering") and done < len(self.steps) else None

    @property
    def since(self) -> float | None:
        """When the step that is being taken began."""
        return self.rows[-1].ended if self.rows else self.began

    @property
    def seconds(self) -> float | None:
        """From the start of its wave to the end of its last step."""
        if self.began is None or self.since is None:
            return None
        return max(0.0, self.since - self.began)

    def row(self, step: str) -> Row | None:
        return next((row for row in reversed(self.rows) if row.name == step), None)


@dataclasses.dataclass(frozen=True)
class Change:
    """Something worth a line. `region` is `fleet` for what belongs to none."""

    region: str
    text: str
    tone: Tone = "plain"


class Board:
    """Takes events, tells the changes, keeps the state that is drawn."""

    def __init__(self, playbook: str, order: Sequence[str] = ()) -> None:
        """`order` names hosts as the inventory does; results come in any order."""
        self._place = {name: place for place, name in enumerate(order)}
        self._regions: dict[str, Region] = {}
        self._versions: dict[str, str] = {}
        self.kind = clean(playbook)
        self.release = ""
        self.number = ""
        self.decision = ""
        self.ended = False

    @property
    def regions(self) -> list[Region]:
        names = sorted(self._regions, key=lambda name: self._place.get(name, len(self._place)))
        return [self._regions[name] for name in names]

    def take_facts(self, name: str, facts: object) -> list[Change]:
        """The facts that a task has set for this host, and what is new in them."""
        if not isinstance(facts, Mapping):
            return []
        changes = self._take_fleet(facts)
        if FIRST_FACT not in facts and name not in self._regions:
            return changes
        old = self._regions.get(name) or Region(clean(name))
        new = _updated(old, facts)
        self._regions[name] = new
        self._versions |= _versions(facts.get("release_region_plan"))
        return [*changes, *_told(old, new)]

    def take_start(self, name: str, action: str) -> None:
        """A task starts on this host."""
        # With fewer forks than hosts some of them start late.
        self._place.setdefault(name, len(self._place))
        region = self._regions.get(name)
        word = _ACTIVITIES.get(action.rpartition(".")[2])
        if region and word:
            self._regions[name] = dataclasses.replace(region, activity=word)

    def end(self) -> None:
        self.ended = True

    def report(self) -> dict[str, t.Any]:
        """The same shape as the report of a release, as far as it is known."""
        return {
            "id": self.release,
            "kind": self.kind,
            "revision": self.number,
            "versions": self._versions,
            "decision": self.decision or None,
            "sentence": "",
            "regions": [
                {
                    "region": region.name,
                    "verdict": self.word(region),
                    "reason": region.reason,
                    "steps": [
                        {
                            "name": row.name,
                            "started": row.started or 0.0,
                            "ended": row.ended or 0.0,
                            "verdict": row.verdict,
                        }
                        for row in region.rows
                    ],
                }
                for region in self.regions
            ],
        }

    def word(self, region: Region) -> str:
        """The phase, or what is left of it when the run is over."""
        if not self.ended or region.phase == region.verdict:
            return region.phase
        return region.verdict if region.phase == "recovering" else "unfinished"

    def _take_fleet(self, facts: Mapping[t.Any, t.Any]) -> list[Change]:
        release = facts.get("release_fleet_release")
        if isinstance(release, Mapping):
            self.release = _text(release.get("id"))
            self.kind = _text(release.get("kind")) or self.kind
        self.number = _text(facts.get("release_fleet_number")) or self.number
        decision = _text(facts.get("release_fleet_decision"))
        if not decision or decision == self.decision:
            return []
        self.decision = decision
        return [Change("fleet", f"decision: {decision}", tone_of(decision))]


def _updated(old: Region, facts: Mapping[t.Any, t.Any]) -> Region:
    plan = facts.get("release_region_plan")
    return dataclasses.replace(
        old,
        verdict=_text(facts.get(FIRST_FACT)) or old.verdict,
        reason=_text(facts["release_region_reason"]) if "release_region_reason" in facts else old.reason,
        steps=_steps(plan) if isinstance(plan, Mapping) else old.steps,
        rows=_rows(facts["release_region_rows"]) if "release_region_rows" in facts else old.rows,
        began=_instant(facts.get("release_region_began")) or old.began,
        go=_flag(facts["release_region_go"]) if "release_region_go" in facts else old.go,
        recover=_is_recovered(facts["release_region_todo"]) if "release_region_todo" in facts else old.recover,
        undo=_flag(facts["release_region_undo"]) if "release_region_undo" in facts else old.undo,
    )


def _told(old: Region, new: Region) -> list[Change]:
    """What became of a region, in the order in which it did."""
    changes: list[Change] = []
    if new.phase == "running" and old.phase == _UNTOUCHED:
        changes.append(Change(new.name, f"starts, {len(new.steps)} steps", tone_of(new.phase)))
    for number, row in enumerate(new.rows[len(old.rows) :], len(old.rows) + 1):
        changes.append(Change(new.name, _row_text(new, number, row), tone_of(row.verdict)))
    # A recovery calls every region whole before it looks.
    if new.phase not in (old.phase, "running", "whole"):
        reason = f": {new.reason}" if new.reason else ""
        changes.append(Change(new.name, f"{new.phase}{reason}", tone_of(new.phase)))
    return changes


def _row_text(region: Region, number: int, row: Row) -> str:
    place = f"{number}/{len(region.steps)} " if row.name in region.steps else ""
    took = f", {row.seconds:.1f} s" if row.seconds is not None else ""
    # Why a step passed is in the gate's own line, right above.
    reason = f" ({row.reason})" if row.reason and tone_of(row.verdict) == "bad" else ""
    return f"{place}{row.name}: {row.verdict}{took}{reason}"


def tone_of(word: str) -> Tone:
    """The colour of a phase or a verdict. A word that nobody knows is bad."""
    return _TONES.get(word, "bad")


def _is_recovered(todo: object) -> bool:
    """Whether the recovery has something to do here."""
    return isinstance(todo, Mapping) and _text(todo.get("action")) in ("undo", "finish", "forward", "standby")


def _steps(plan: Mapping[t.Any, t.Any]) -> tuple[str, ...]:
    parts = (plan.get(part) for part in ("prepare", "steps", "bake"))
    found = [step for part in parts if _is_list(part) for step in t.cast("Sequence[object]", part)]
    return tuple(_text(step.get("name")) or "?" for step in found if isinstance(step, Mapping))


def _rows(value: object) -> tuple[Row, ...]:
    if not _is_list(value):
        return ()
    return tuple(
        Row(
            name=_text(row.get("name")) or "?",
            verdict=_text(row.get("verdict")) or "?",
            started=_instant(row.get("started")),
            ended=_instant(row.get("ended")),
            reason=_text(row.get("reason")),
        )
        for row in t.cast("Sequence[object]", value)
        if isinstance(row, Mapping)
    )


def _versions(plan: object) -> dict[str, str]:
    versions = plan.get("versions") if isinstance(plan, Mapping) else None
    if not isinstance(versions, Mapping):
        return {}
    return {_text(name): _text(version) for name, version in versions.items()}


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _text(value: object) -> str:
    """One line of a value that fits on one, without secrets."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return clean(redact(str(value)))


def _instant(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        instant = float(value)
    except (ValueError, OverflowError):
        return None
    return instant if 0 < instant < _LATEST else None


def _flag(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.lower() in ("true", "yes", "1"))


def clean(text: str) -> str:
    """One line, without characters that steer a terminal."""
    shown = "".join(" " if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") else sign for sign in text)
    return " ".join(shown.split())
