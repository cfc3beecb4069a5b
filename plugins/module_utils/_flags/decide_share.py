# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients should answer for a flag, and whether what they did answer is that. Pure.

A share among so many users varies as a binomial distribution does. How far it is off is told in sigmas, by the exact
tail of that distribution: as many as a normal one has where it is as rare. So a wrong alarm is as rare for a share of
0.001 % as for one of 50 %.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
import typing as t
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction

from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_buckets import split_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import off_variant, on_variant
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import JsonObject

#: In the place of a variant: the client gave what its caller has as default, or that because of an error.
OWN_DEFAULT: t.Final = "(own default)"
ERROR: t.Final = "(error)"
#: What is told for an answer that the expectation rules out.
IMPOSSIBLE: t.Final = 40.0
#: Further off than that is wrong.
LIMIT: t.Final = 4.0
#: So many users are asked where all get the same.
FEW: t.Final = 5
#: So many answers of percentages there are in one task, as a multiple of the users that one of them asks. With more
#: percentages than that each gets fewer.
_FLAGS_IN_FULL: t.Final = 10
#: But never fewer than that.
_LEAST: t.Final = 100

#: What an action asks for: on or off, a percentage that is on, or weights by variant. None: what the definition says.
Asked: t.TypeAlias = "bool | Decimal | Mapping[str, Decimal] | None"
#: Shares from 0 to 1 by variant; None where nobody can tell.
Shares: t.TypeAlias = "Mapping[str, Fraction] | None"
#: How a client asks for a flag: by the type of its variants.
Kind = t.Literal["boolean", "string", "float", "object"]

_NORMAL: t.Final = statistics.NormalDist()


@dataclasses.dataclass(frozen=True)
class Judged:
    """The answers for one flag. `sigmas` is that of the variant that is furthest off, None without an expectation.
    `problem`: why it is not what was expected, as a sentence with the flag's name; empty when it is."""

    users: int
    shares: Mapping[str, float]
    expected: Mapping[str, float] | None
    sigmas: float | None
    problem: str

    def told(self) -> JsonObject:
        """For the result."""
        return {"users": self.users, "shares": self.shares, "expected": self.expected, "sigmas": self.sigmas}


def expected(flag: Mapping[str, t.Any], asked: Asked = None) -> Shares:
    """Who should get what of a definition as clients read it, when it was made by an action that `asked` for that."""
    if isinstance(asked, bool):
        side = on_variant(flag) if asked else off_variant(flag)
        # A killed flag without an off variant.
        return {side: Fraction(1)} if side is not None else _defined(flag)
    split = split_of(flag)
    if split is not None and split.by is not None and not _by_user(split.by):
        return None
    if isinstance(asked, Decimal):
        sides = (on_variant(flag), Fraction(asked) / 100), (off_variant(flag), 1 - Fraction(asked) / 100)
        return {str(side): share for side, share in sides if share}
    if asked is not None:
        total = sum(map(Fraction, asked.values()))
        return {variant: Fraction(weight) / total for variant, weight in asked.items() if weight}
    return _defined(flag)


def users_for(expectations: Mapping[str, Shares], most: int) -> dict[str, int]:
    """How many users to ask for each flag, `most` at most."""
    same = {name for name, shares in expectations.items() if shares is not None and len(shares) == 1}
    varied = len(expectations) - len(same)
    each = most if varied <= _FLAGS_IN_FULL else max(_LEAST, most * _FLAGS_IN_FULL // varied)
    return {name: min(most, FEW if name in same else each) for name in expectations}


def kind_of(flag: Mapping[str, t.Any]) -> Kind:
    """By its first variant: they are of one type. Somebody may have left it none."""
    value = next(iter((flag.get("variants") or {}).values()), None)
    if value is None or isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    # A client takes whole numbers for one with a fraction, and not the other way round.
    return "float" if isinstance(value, int | float) else "object"


def judged(name: str, counts: Mapping[str, int], shares: Shares) -> Judged:
    """The answers of a flag's users, counted by variant, beside what was expected."""
    users = sum(counts.values())
    seen = {variant: round(count / users, 6) for variant, count in sorted(counts.items())}
    if shares is None:
        return Judged(users, seen, None, None, "")
    off = {variant: sigmas(counts.get(variant, 0), users, shares.get(variant, Fraction(0))) for variant in shares}
    off |= {variant: IMPOSSIBLE for variant in seen if variant not in shares}
    furthest = max(off.values())
    wanted = {variant: round(float(share), 9) for variant, share in sorted(shares.items())}
    problem = ""
    if furthest > LIMIT:
        off_by = f"{furthest:.1f} sigma; the limit is {LIMIT:g}"
        problem = f"{name}: {users} users get {_named(seen)}, and should get {_named(wanted)} ({off_by})"
    return Judged(users, seen, wanted, round(furthest, 2), problem)


def sigmas(count: int, users: int, share: Fraction) -> float:
    """How far a count among so many users is from a share: 0 to IMPOSSIBLE."""
    if share in (0, 1):
        return 0.0 if count == share * users else IMPOSSIBLE
    chance = float(share)
    odds = chance / (1 - chance)
    log_ways = math.lgamma(users + 1) - math.lgamma(count + 1) - math.lgamma(users - count + 1)
    term = math.exp(log_ways + count * math.log(chance) + (users - count) * math.log1p(-chance))
    # Away from the mean each term is smaller than the one before.
    above, at, tail = count >= share * users, count, 0.0
    while term > tail * 1e-16:
        tail += term
        term *= odds * (users - at) / (at + 1) if above else at / (odds * (users - at + 1))
        at += 1 if above else -1
    if tail >= 0.5:
        return 0.0
    return min(IMPOSSIBLE, -_NORMAL.inv_cdf(tail)) if tail > 0 else IMPOSSIBLE


def way_back(action: str, revision: int) -> str:
    """How to take back what an action has written over that revision."""
    other = {"kill": "restore", "restore": "kill"}.get(action)
    if other is not None:
        return f"take it back with action {other}"
    if revision < 1:
        return "there is no revision to go back to; correct it with action set"
    return f"go back with action rollback to revision {revision}"


def _defined(flag: Mapping[str, t.Any]) -> Shares:
    if flag.get("state") == "DISABLED" or not (flag.get("targeting") or flag.get("defaultVariant")):
        return {OWN_DEFAULT: Fraction(1)}
    split = split_of(flag)
    if split is None:
        return None
    found: dict[str, Fraction] = {}
    for variant, weight in split.entries:
        if weight:
            found[variant] = found.get(variant, Fraction(0)) + Fraction(weight, split.total)
    return found


def _by_user(expression: t.Any) -> bool:
    """Whether what is hashed is made of the user's key, and of nothing that a user without other attributes lacks."""
    names = set(_variables(expression))
    return "targetingKey" in names and names <= {"targetingKey", "$flagd.flagKey"}


def _variables(expression: t.Any) -> Iterator[str]:
    if isinstance(expression, Mapping):
        for operator, value in expression.items():
            if operator == "var":
                yield str(value[0] if isinstance(value, list) and value else value)
            else:
                yield from _variables(value)
    elif isinstance(expression, list):
        for value in expression:
            yield from _variables(value)


def _named(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{variant} {share * 100:.6g} %" for variant, share in shares.items())
