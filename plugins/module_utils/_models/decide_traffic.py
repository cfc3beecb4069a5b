# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which traffic the versions of a model get, and what a deploy, a step, a promotion and a rollback make of it. Pure.

The champion is in one slot, the challenger in the other. What nobody can read out of the route itself (which version it
is, how far it has come) is the note on it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_steps import (
    WEIGHTS,
    Ladder,
    Position,
    Strategy,
    ladder_problem,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_weights import (
    gaining as more_weight,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_weights import (
    weights_problem,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import SLOT_HEADER, SLOTS

JsonObject = dict[str, t.Any]

#: A mirror is written in steps of this, as a fraction of 10,000: one that every data plane has.
PARTS: t.Final = 10_000
_HEADER: t.Final = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,256}")


def other(slot: str) -> str:
    """The slot beside it."""
    return SLOTS[1 - SLOTS.index(slot)]


def is_header(name: str) -> bool:
    """Whether a route can name a header so."""
    return _HEADER.fullmatch(name) is not None


@dataclasses.dataclass(frozen=True)
class Mirror:
    """Copies of the champion's requests. `percent`: more than 0, up to 100, in steps of 0.01."""

    slot: str
    percent: float


@dataclasses.dataclass(frozen=True)
class Buckets:
    """A/B. The caller puts each of its users into one of 100 buckets and says which in `header`: 00 to 99. The first
    `percent` of them go to `slot`, and stay there when there are more; a request without the header does not."""

    slot: str
    header: str
    percent: int


@dataclasses.dataclass(frozen=True)
class Traffic:
    """All that a route gives to the slots. `weights`: percent, of requests without a bucket."""

    weights: Mapping[str, int]
    mirror: Mirror | None = None
    buckets: Buckets | None = None

    @property
    def shares(self) -> dict[str, int]:
        """What each slot gets, in percent: in an A/B test as if every caller sent the header. Copies are none of it."""
        if self.buckets is not None:
            return {self.buckets.slot: self.buckets.percent, other(self.buckets.slot): 100 - self.buckets.percent}
        return dict(self.weights)

    @property
    def copies(self) -> dict[str, float]:
        """The percent of requests of which each slot gets a copy."""
        return {slot: self.mirror.percent if self.mirror and self.mirror.slot == slot else 0.0 for slot in SLOTS}

    def told(self) -> JsonObject:
        """For a result: `weights`, `mirror` and `buckets`, the last two null where there are none."""
        return {
            "weights": dict(self.weights),
            "mirror": None if self.mirror is None else dataclasses.asdict(self.mirror),
            "buckets": None if self.buckets is None else dataclasses.asdict(self.buckets),
        }

    def __str__(self) -> str:
        text = ", ".join(f"{slot} {weight}" for slot, weight in self.weights.items())
        if self.mirror is not None:
            text += f", {self.mirror.percent:g} % copied to {self.mirror.slot}"
        if self.buckets is not None:
            text += f", {self.buckets.percent} of 100 buckets in {self.buckets.header} to {self.buckets.slot}"
        return text


def traffic_problem(traffic: Traffic) -> str | None:
    """Why no route gets this; None when one may."""
    problem = weights_problem(traffic.weights)
    if problem:
        return problem
    if traffic.mirror is not None and traffic.buckets is not None:
        return "a challenger gets either copies or buckets, and these are both"
    if traffic.mirror is not None:
        return _mirror_problem(traffic.mirror, traffic.weights)
    return _buckets_problem(traffic.buckets) if traffic.buckets is not None else None


def _mirror_problem(mirror: Mirror, weights: Mapping[str, int]) -> str | None:
    if mirror.slot not in SLOTS:
        return f"there is no slot {mirror.slot} (there are: {', '.join(SLOTS)})"
    if not 0 < mirror.percent <= 100 or abs(mirror.percent * 100 - round(mirror.percent * 100)) > 1e-6:
        return f"{mirror.percent:g} % is copied; give more than 0 and at most 100, in steps of 0.01"
    if weights[mirror.slot]:
        # It would answer some requests and get a copy of them too: each twice.
        return (
            f"{mirror.slot} has {weights[mirror.slot]} % of the traffic, so it gets no copies; give it weight 0 first"
        )
    return None


def _buckets_problem(buckets: Buckets) -> str | None:
    if buckets.slot not in SLOTS:
        return f"there is no slot {buckets.slot} (there are: {', '.join(SLOTS)})"
    if isinstance(buckets.percent, bool) or not isinstance(buckets.percent, int) or not 1 <= buckets.percent <= 100:
        return f"{buckets.percent} of 100 buckets; give a whole number from 1 to 100"
    if not is_header(buckets.header):
        return f"{buckets.header!r} is no name of a header"
    if buckets.header.lower() == SLOT_HEADER:
        return f"{buckets.header} is the header that probes a slot; name another one for the buckets"
    return None


@dataclasses.dataclass(frozen=True)
class Note:
    """Which challenger a route has, and how far it has come.

    `slot`: the challenger's; after its promotion it is the champion there, and stays noted while it is watched. `step`:
    index in `weights`, which are percent. `since`, `began`: unix seconds, of the step or the promotion, and of the
    first step. `champion`: the version before it, None when nobody said.
    """

    challenger: str
    slot: str
    strategy: Strategy
    step: int
    since: float
    weights: tuple[int, ...]
    champion: str | None
    began: float
    promoted: bool = False

    @property
    def champion_slot(self) -> str:
        """The slot that a rollback gives everything to."""
        return other(self.slot)

    def position(self, now: float) -> Position:
        """Where it is on its ladder at this instant (unix seconds)."""
        return Position(self.step, max(0.0, now - self.since), self.promoted)

    def to_text(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def of_text(cls, text: str) -> Note:
        """Raises ValueError for a text that is not as it was written."""
        try:
            given = json.loads(text)
            weights = tuple(_whole(weight) for weight in given["weights"])
            found = cls(
                challenger=_text(given["challenger"]),
                slot=_text(given["slot"]),
                strategy=given["strategy"],
                step=_whole(given["step"]),
                since=float(given["since"]),
                weights=weights,
                champion=None if given["champion"] is None else _text(given["champion"]),
                began=float(given["began"]),
                promoted=given["promoted"] is True,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{error} is missing or wrong in it") from error
        if found.slot not in SLOTS or found.strategy not in WEIGHTS or not 0 <= found.step < len(weights):
            raise ValueError(f"there is no step {found.step} of {found.strategy} in slot {found.slot}")
        return found


def _whole(value: t.Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is no whole number")
    return value


def _text(value: t.Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is no text")
    return value


@dataclasses.dataclass(frozen=True)
class Deployed:
    """This version is the challenger from now on. `slot`: where its pods are. `weights`: percent, by step. `percent`:
    of requests that a shadow gets copies of. `header`: of an A/B test. `at`: unix seconds. `same_requests`: the route
    copies no other requests than are meant, where it copies any."""

    challenger: str
    champion: str | None
    slot: str
    strategy: Strategy
    weights: tuple[int, ...]
    at: float
    percent: float = 10.0
    header: str = ""
    same_requests: bool = True


@dataclasses.dataclass(frozen=True)
class Stepped:
    """The next step of the ladder. `to`: the index of the one that is meant, so that a second run does not take one
    more; None for whichever is next. `at`: unix seconds."""

    at: float
    to: int | None = None


@dataclasses.dataclass(frozen=True)
class Promoted:
    """The challenger gets all of the traffic. `at`: unix seconds."""

    at: float


@dataclasses.dataclass(frozen=True)
class RolledBack:
    """The champion, or after a promotion the one before, gets all of the traffic."""


Intent: t.TypeAlias = "Deployed | Stepped | Promoted | RolledBack"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a route gets, and what is noted on it. `problem`: why it cannot be; then both are as they were."""

    traffic: Traffic
    note: Note | None
    problem: str = ""


def wanted(now: Traffic, note: Note | None, intent: Intent) -> Wanted:
    """What the intent makes of a route. The same intent again changes nothing."""
    if isinstance(intent, RolledBack):
        return _rolled_back(now, note)
    if isinstance(intent, Deployed):
        return _deployed(now, note, intent)
    if note is None:
        return Wanted(now, note, "no challenger is noted on the route; deploy one first")
    return _stepped(now, note, intent) if isinstance(intent, Stepped) else _promoted(note, intent)


def _rolled_back(now: Traffic, note: Note | None) -> Wanted:
    if note is None:
        if all(now.weights.values()):
            shares = " and ".join(f"{slot} has {weight} %" for slot, weight in now.weights.items())
            text = f"{shares} of the traffic, and nobody says who is the champion"
            return Wanted(now, note, f"{text}; set the weights with k8s_traffic")
        # Whoever has the traffic is the champion.
        return Wanted(Traffic(dict(now.weights)), None)
    return Wanted(_all_to(note.champion_slot), None)


def _deployed(now: Traffic, note: Note | None, intent: Deployed) -> Wanted:
    champion_slot = other(intent.slot)
    problem = ladder_problem(Ladder(intent.strategy, intent.weights))
    if problem:
        return Wanted(now, note, problem)
    if note is not None and not note.promoted and note.challenger != intent.challenger:
        text = f"{note.challenger} is the challenger in {note.slot} and not done; promote it or roll it back first"
        return Wanted(now, note, text)
    if note is not None and note.challenger == intent.challenger:
        if note.promoted:
            return Wanted(now, note, f"{note.challenger} is the champion already, in {note.slot}")
        if note.slot != intent.slot:
            return Wanted(now, note, f"{note.challenger} is in {note.slot}; roll it back there before {intent.slot}")
    elif now.shares[champion_slot] <= 0 or now.shares[intent.slot] > 0:
        # It is the first step: whoever has the traffic is the champion.
        return Wanted(
            now, note, f"{intent.slot} has {now.shares[intent.slot]} % of the traffic, so it is the champion's"
        )
    same = note is not None and (note.strategy, note.weights) == (intent.strategy, intent.weights)
    began = note.began if note is not None and note.challenger == intent.challenger else intent.at
    new = Note(
        intent.challenger,
        intent.slot,
        intent.strategy,
        note.step if note is not None and same else 0,
        intent.at,
        intent.weights,
        intent.champion,
        began,
    )
    traffic = _at_step(new, Mirror(intent.slot, intent.percent), intent.header)
    # Evidence counts from the instant at which the challenger got what it gets now.
    if note is not None and same and intent.same_requests and _is_as(now, traffic):
        new = dataclasses.replace(new, since=note.since)
    return _checked(now, note, traffic, new)


def _stepped(now: Traffic, note: Note, intent: Stepped) -> Wanted:
    problem = _step_problem(now, note, intent)
    if problem:
        return Wanted(now, note, problem)
    again = intent.to == note.step
    new = dataclasses.replace(note, step=note.step if again else note.step + 1, since=intent.at)
    traffic = _at_step(new, now.mirror, now.buckets.header if now.buckets is not None else "")
    # One that somebody has written over begins anew.
    return Wanted(now, note) if again and _is_as(now, traffic) else _checked(now, note, traffic, new)


def _step_problem(now: Traffic, note: Note, intent: Stepped) -> str:
    following = note.step + 1
    if note.promoted:
        return f"{note.challenger} is the champion already; there is no step after that"
    if intent.to != note.step and following == len(note.weights):
        return f"{note.weights[-1]} % is the last step of {note.strategy}; promote {note.challenger}"
    if intent.to not in (None, note.step, following):
        return f"step {intent.to} does not follow step {note.step}; the next one is {following}"
    if note.strategy == "ab" and now.buckets is None:
        return "the rule of the A/B test is not on the route any more; deploy the challenger again"
    if note.strategy == "shadow" and not now.copies[note.slot]:
        return "the copies of the shadow are not on the route any more; deploy the challenger again"
    return ""


def _promoted(note: Note, intent: Promoted) -> Wanted:
    new = note if note.promoted else dataclasses.replace(note, promoted=True, since=intent.at)
    return Wanted(_all_to(note.slot), new)


def _at_step(note: Note, mirror: Mirror | None, header: str) -> Traffic:
    """The traffic of a challenger at its step."""
    weight = note.weights[note.step]
    if note.strategy == "ab":
        if not weight:
            return _all_to(note.champion_slot)
        return Traffic(_all_to(note.champion_slot).weights, None, Buckets(note.slot, header, weight))
    weights = {slot: weight if slot == note.slot else 100 - weight for slot in SLOTS}
    return Traffic(weights, mirror if note.strategy == "shadow" and not weight else None)


def _is_as(now: Traffic, traffic: Traffic) -> bool:
    """Whether a route has this traffic already. It reads back a share of copies in steps of 0.01."""
    read, meant = ({slot: round(share * 100) for slot, share in one.copies.items()} for one in (now, traffic))
    return read == meant and dataclasses.replace(now, mirror=None) == dataclasses.replace(traffic, mirror=None)


def _checked(now: Traffic, note: Note | None, traffic: Traffic, new: Note) -> Wanted:
    problem = traffic_problem(traffic)
    return Wanted(now, note, problem) if problem else Wanted(traffic, new)


def _all_to(slot: str) -> Traffic:
    return Traffic({one: 100 if one == slot else 0 for one in SLOTS})


def gaining(before: Traffic, after: Traffic) -> dict[str, int]:
    """The slots that get more requests or more copies than before, and the percent of either that they get then."""
    copied = [slot for slot in SLOTS if after.copies[slot] > before.copies[slot]]
    return {
        slot: math.ceil(max(after.shares[slot], after.copies[slot]))
        for slot in SLOTS
        if slot in copied or slot in more_weight(before.shares, after.shares)
    }
