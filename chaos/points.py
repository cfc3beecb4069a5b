# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill points: which there are, which of them a run takes. Pure."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import itertools
import random
import re
import typing as t

Moment = t.Literal["before", "after"]
#: No name of an object has a blank.
_ASKED: t.Final = re.compile(r"[A-Z]+ \S+ of \S+( .*)?")
_POINT: t.Final = re.compile(r"(?P<site>[a-z0-9-]+):(?P<number>\d+):(?P<moment>before|after)")


@dataclasses.dataclass(frozen=True)
class Point:
    """The NUMBERth write to a site, before it is forwarded or after. Counted for each site by itself: two regions that
    are written at the same time do not always come in the same order."""

    site: str
    number: int
    moment: Moment
    what: str = dataclasses.field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.site}:{self.number}:{self.moment}"

    @property
    def asks_a_pod(self) -> bool:
        """Whether the write is a request that a pod answers, and no object."""
        return _ASKED.fullmatch(self.what) is not None

    @classmethod
    def parse(cls, text: str, what: str = "") -> Point:
        """Raises ValueError for what is no point."""
        found = _POINT.fullmatch(text)
        if found is None:
            raise ValueError(f"{text}: no point; use SITE:NUMBER:before or SITE:NUMBER:after")
        moment: Moment = "before" if found["moment"] == "before" else "after"
        return cls(found["site"], int(found["number"]), moment, what)


def points_of(writes: c.Sequence[tuple[str, int, str]]) -> list[Point]:
    """Both moments of every write (site, number, what) of a run that was not disturbed, in their order."""
    moments: tuple[Moment, Moment] = ("before", "after")
    return [Point(site, number, moment, what) for site, number, what in writes for moment in moments]


@dataclasses.dataclass(frozen=True)
class Sample:
    """`SEED:COUNT`."""

    seed: str
    count: int

    @classmethod
    def parse(cls, text: str) -> Sample:
        """Raises ValueError for what is none."""
        seed, colon, count = text.rpartition(":")
        if not colon or not seed or not count.isdigit() or int(count) < 1:
            raise ValueError(f"{text}: use SEED:COUNT, for example 7:12")
        return cls(seed, int(count))

    def of(self, points: c.Sequence[Point], variant: str) -> list[Point]:
        """The same points for the same seed, spread over the whole release, in its order."""
        chosen = random.Random(f"{self.seed}:{variant}")
        count = min(self.count, len(points))
        bounds = [len(points) * at // count for at in range(count + 1)] if count else []
        # One of each stretch: a plain sample may leave the whole end of a release out.
        return [points[chosen.randrange(low, high)] for low, high in itertools.pairwise(bounds)]

    def with_few(self, points: c.Sequence[Point], variant: str, is_one: c.Callable[[Point], bool]) -> list[Point]:
        """As `of`, but at least half of them are such that `is_one`, as far as there are so many: those that a variant
        is about may be few among the writes of a release."""
        asked = [point for point in points if is_one(point)]
        few = Sample(self.seed, (self.count + 1) // 2).of(asked, variant)
        rest = [point for point in points if not is_one(point)]
        both = {*few, *Sample(self.seed, self.count - len(few)).of(rest, variant)}
        return [point for point in points if point in both]


@dataclasses.dataclass(frozen=True)
class Shard:
    """`i/n`, from 1."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Raises ValueError for what is none."""
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise ValueError(f"{text}: use i/n with 1 <= i <= n, for example 1/4")
        return cls(int(found[1]), int(found[2]))

    def of(self, points: c.Sequence[Point]) -> list[Point]:
        return [point for at, point in enumerate(points) if at % self.count == self.index - 1]
