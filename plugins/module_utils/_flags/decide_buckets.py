# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets which variant by flagd's `fractional`, and who changes sides between two definitions. Pure.

flagd hashes the flag's name and the user's key (murmur3, 32 bits) and cuts the space of the hash into ranges by the
weights. This is the generation that flagd 0.16, its Python provider 0.4.0 to 0.5.2 and its JavaScript core 4.0 share.
Because the hash of a user does not depend on the weights, the share of those who change sides is a sum of ranges: it is
exact, and nothing is sampled.
"""

from __future__ import annotations

import dataclasses
import itertools
import typing as t
from collections.abc import Mapping, Sequence
from fractions import Fraction

JsonObject = dict[str, t.Any]

_HASHES: t.Final = 1 << 32
_MASK: t.Final = _HASHES - 1
#: The sum of the weights of one `fractional`.
LARGEST_SUM: t.Final = 2_147_483_647


@dataclasses.dataclass(frozen=True)
class Split:
    """`entries`: variant and weight, in the order of the ranges. `by`: the expression that is hashed in the place of
    the flag's name and the user's key; None for these."""

    entries: tuple[tuple[str, int], ...]
    by: t.Any = None

    @property
    def total(self) -> int:
        return sum(weight for _variant, weight in self.entries)


@dataclasses.dataclass(frozen=True)
class Move:
    """A share of all users, 0 to 1, that goes from one variant to another."""

    source: str
    target: str
    share: float


def murmur3(data: bytes) -> int:
    """MurmurHash3 x86 32 with seed 0, as a number from 0 on."""
    state = 0
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        state ^= _mixed(int.from_bytes(data[at : at + 4], "little"))
        state = ((state << 13 | state >> 19) * 5 + 0xE6546B64) & _MASK
    if whole < len(data):
        state ^= _mixed(int.from_bytes(data[whole:], "little"))
    state ^= len(data)
    state = (state ^ state >> 16) * 0x85EBCA6B & _MASK
    state = (state ^ state >> 13) * 0xC2B2AE35 & _MASK
    return state ^ state >> 16


def _mixed(block: int) -> int:
    block = block * 0xCC9E2D51 & _MASK
    return (block << 15 | block >> 17) * 0x1B873593 & _MASK


def variant_of(split: Split, flag: str, user: str) -> str | None:
    """What the user with that key gets; None when all weights are 0."""
    if not user or split.total == 0:
        return None
    return variant_at(split, murmur3(f"{flag}{user}".encode()))


def split_of(flag: Mapping[str, t.Any]) -> Split | None:
    """The ranges of a definition; None where its targeting is more than one `fractional` with whole weights. Without
    targeting all users are in one range."""
    targeting = flag.get("targeting")
    if not targeting:
        default = flag.get("defaultVariant")
        return Split(((str(default), 1),)) if default else None
    if not isinstance(targeting, Mapping) or set(targeting) != {"fractional"}:
        return None
    given = targeting["fractional"]
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        return None
    by = None
    if not isinstance(given[0], list):
        by, given = given[0], given[1:]
    entries = [_entry(one) for one in given]
    if not entries or any(entry is None for entry in entries):
        return None
    made = Split(tuple(entry for entry in entries if entry is not None), by)
    return made if 0 < made.total <= LARGEST_SUM else None


def _entry(given: t.Any) -> tuple[str, int] | None:
    """`[variant, weight]`, or `[variant]` with the weight 1."""
    if not isinstance(given, list) or not 1 <= len(given) <= 2 or not isinstance(given[0], str):
        return None
    weight = given[1] if len(given) == 2 else 1
    if isinstance(weight, bool) or not isinstance(weight, int) or weight < 0:
        return None
    return given[0], weight


def moves(before: Mapping[str, t.Any] | None, after: Mapping[str, t.Any] | None) -> list[Move] | None:
    """Who changes sides between two definitions of a flag, the largest share first; empty when nobody does.

    None when it cannot be told: one of them is not there, is off for the server (the application's own default counts
    then), or targets by more than a `fractional`. Users without a key are not counted: they get the default.
    """
    if before is None or after is None:
        return None
    same_state = before.get("state") == after.get("state")
    if same_state and all(before.get(key) == after.get(key) for key in ("targeting", "defaultVariant")):
        return []
    old, new = split_of(before), split_of(after)
    if old is None or new is None or "DISABLED" in (before.get("state"), after.get("state")):
        return None
    if len(old.entries) > 1 and len(new.entries) > 1 and old.by != new.by:
        return None
    shares: dict[tuple[str, str], int] = {}
    edges = sorted({0, _HASHES, *_edges(old), *_edges(new)})
    for low, high in itertools.pairwise(edges):
        pair = variant_at(old, low), variant_at(new, low)
        if pair[0] != pair[1]:
            shares[pair] = shares.get(pair, 0) + high - low
    found = [Move(source, target, float(Fraction(size, _HASHES))) for (source, target), size in shares.items()]
    return sorted(found, key=lambda move: (-move.share, move.source, move.target))


def losing(found: Sequence[Move], variant: str) -> float:
    """The share of all users that had that variant and has another one then."""
    return sum(move.share for move in found if move.source == variant)


def _edges(split: Split) -> list[int]:
    """The first hash of each range but the first: the smallest whose bucket, hash * total >> 32, reaches its weight."""
    found, reached = [], 0
    for _variant, weight in split.entries:
        reached += weight
        found.append(-(-reached * _HASHES // split.total))
    return found


def variant_at(split: Split, value: int) -> str:
    """What the users with that hash get; the sum of the weights is more than 0."""
    bucket = value * split.total >> 32
    for variant, weight in split.entries:
        bucket -= weight
        if bucket < 0:
            return variant
    raise AssertionError("a bucket is below the sum of the weights")
