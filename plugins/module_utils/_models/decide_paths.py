# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules of an HTTPRoute the requests for a path come to, by the precedence of the Gateway API. Pure.

An exact path wins, then the longest prefix, then a method, then the most headers, then the most query parameters, and
between equals the first rule.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Mapping, Sequence

JsonObject = dict[str, t.Any]

_EXACT: t.Final = "Exact"
_PREFIX: t.Final = "PathPrefix"
_EVERYTHING: t.Final[Mapping[str, str]] = {"type": _PREFIX, "value": "/"}
#: As the definitions of the Gateway API have it, but for the star: whoever writes one means more than the character.
_VALUE: t.Final = re.compile(r"/(?:[-A-Za-z0-9/._~!$&'()+,;=:@]|%[0-9a-fA-F]{2})*")
_WRONG: t.Final = re.compile(r"//|/\.\.?(?:/|$)|%2[fF]")
_LONGEST: t.Final = 1024


@dataclasses.dataclass(frozen=True)
class Path:
    """A path, or with `prefix` everything below it as well."""

    value: str
    prefix: bool = False

    @classmethod
    def of_text(cls, text: str) -> Path:
        """`/v1/predict`, or `/v1/predict/*` for a prefix."""
        return cls(text[:-2] or "/", True) if text.endswith("/*") else cls(text)

    @classmethod
    def of_match(cls, match: Mapping[str, t.Any]) -> Path:
        return cls(match["path"]["value"], match["path"]["type"] == _PREFIX)

    @property
    def text(self) -> str:
        return f"{self.value.rstrip('/')}/*" if self.prefix else self.value

    @property
    def problem(self) -> str | None:
        """Why no rule can match it."""
        if not _VALUE.fullmatch(self.value) or _WRONG.search(self.value) or len(self.value) > _LONGEST:
            return f"{self.text!r} is no path that can be matched; give one such as /v1/predict or /v1/predict/*"
        return None

    def to_match(self) -> JsonObject:
        return {"type": _PREFIX if self.prefix else _EXACT, "value": self.value}

    def is_below(self, path: Mapping[str, t.Any]) -> bool:
        """Whether all requests for it match that `path` of a rule."""
        if path["type"] == _EXACT:
            return not self.prefix and self.value == path["value"]
        above = path["value"].rstrip("/")
        return path["type"] == _PREFIX and (self.value == above or self.value.startswith(f"{above}/"))


def matches_of(rule: Mapping[str, t.Any]) -> list[JsonObject]:
    """The matches of a rule, each with its path: what is left out matches everything."""
    return [{**match, "path": {**_EVERYTHING, **(match.get("path") or {})}} for match in rule.get("matches") or [{}]]


def covering(rules: Sequence[Mapping[str, t.Any]], path: Path, method: str | None) -> list[tuple[int, JsonObject]]:
    """The matches that requests for this path come to, with the index of their rule: those with the longest path."""
    found = _above(rules, path, method)
    longest = max((_rank(match) for _number, match in found), default=None)
    return [(number, match) for number, match in found if _rank(match) == longest]


def cover_problem(rules: Sequence[Mapping[str, t.Any]], path: Path, method: str | None) -> str | None:
    """Why a longer match for this path would change which of these rules its requests come to; None when it would not,
    as long as all that `covering` finds get one."""
    if any(match["path"]["type"] not in (_EXACT, _PREFIX) for rule in rules for match in matches_of(rule)):
        return f"a rule matches its path by a regular expression, so nobody can say which rule {path.text} comes to"
    found = covering(rules, path, method)
    conditions = ("headers", "queryParams") if method is not None else ("method", "headers", "queryParams")
    always = any(not any(map(match.get, conditions)) for _number, match in found)
    if not always and len(found) < len(_above(rules, path, method)):
        return f"the rules for {path.text} have conditions, and what does not meet these comes to a shorter path"
    if method is not None and len({"method" in match for _number, match in found}) > 1:
        return f"some of the rules for {path.text} match {method} and some any method; name no method to be copied"
    if any(_replaces_prefix(rules[number]) for number, _match in found):
        return f"a rule for {path.text} replaces the prefix that it matches, which would be a longer one"
    return None


def _above(rules: Sequence[Mapping[str, t.Any]], path: Path, method: str | None) -> list[tuple[int, JsonObject]]:
    return [
        (number, match)
        for number, rule in enumerate(rules)
        for match in matches_of(rule)
        if path.is_below(match["path"]) and (method is None or match.get("method", method) == method)
    ]


def _rank(match: Mapping[str, t.Any]) -> tuple[bool, int]:
    return match["path"]["type"] == _EXACT, len(match["path"]["value"].rstrip("/"))


def _replaces_prefix(rule: Mapping[str, t.Any]) -> bool:
    backends = rule.get("backendRefs") or []
    filters = [found for owner in (rule, *backends) for found in owner.get("filters") or []]
    changed = [found.get(kind) or {} for found in filters for kind in ("urlRewrite", "requestRedirect")]
    return any((found.get("path") or {}).get("type") == "ReplacePrefixMatch" for found in changed)
