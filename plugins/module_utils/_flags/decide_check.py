# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be written: what flagd's schema refuses, and what it accepts and clients then stumble over. Pure.

A client that stumbles gives its caller's own default, which nobody here knows. One definition with a key of its own
makes some clients refuse the whole document.
"""

from __future__ import annotations

import datetime
import math
import re
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_buckets import LARGEST_SUM
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import (
    KILL_ID,
    KILLED,
    OFF,
    ON,
    off_variant,
)

#: In the metadata of a flag: the day, or the instant, after which it is stale.
EXPIRES: t.Final = "expires"

_NAME: t.Final = re.compile(r"[^\s\x00-\x1f/]{1,128}")
_KEYS: t.Final = ("state", "variants", "defaultVariant", "targeting", "metadata")
_OPERATORS: t.Final = frozenset(
    (
        *(
            "var",
            "missing",
            "missing_some",
            "if",
            "!",
            "!!",
            "or",
            "and",
            "==",
            "===",
            "!=",
            "!==",
            ">",
            ">=",
            "<",
            "<=",
        ),
        *(
            "max",
            "min",
            "+",
            "-",
            "*",
            "/",
            "%",
            "map",
            "reduce",
            "filter",
            "all",
            "none",
            "some",
            "merge",
            "in",
            "cat",
        ),
        *("substr", "fractional", "starts_with", "ends_with", "sem_ver"),
    )
)


def problems(name: str, flag: t.Any) -> list[str]:
    """What is wrong with one definition, each as a sentence without the name; empty when it may be written."""
    if not _NAME.fullmatch(name):
        return ["its name has to be 1 to 128 characters without blanks and slashes"]
    if not isinstance(flag, Mapping):
        return ["it is no mapping"]
    found = [f"there is no field {key}; a client would refuse the whole document" for key in flag if key not in _KEYS]
    if flag.get("state") not in ("ENABLED", "DISABLED"):
        found.append(f"state is {flag.get('state')!r}; give ENABLED or DISABLED")
    variants = flag.get("variants")
    if not isinstance(variants, Mapping) or not variants:
        return [*found, "variants is empty; give a mapping of at least one variant"]
    found += _variant_problems(variants)
    metadata = flag.get("metadata", {})
    if not isinstance(metadata, Mapping):
        return [*found, "metadata is no mapping"]
    found += _metadata_problems(metadata, variants)
    default = flag.get("defaultVariant")
    if default is not None and default not in variants:
        found.append(f"defaultVariant {default!r} is none of the variants {_names(variants)}")
    if off_variant(flag) is None and OFF not in metadata:
        found.append(f"no variant is off, so it could not be killed; name one off, or name it in metadata as {OFF}")
    targeting = flag.get("targeting", {})
    if not isinstance(targeting, Mapping):
        return [*found, "targeting is no mapping"]
    return found + _targeting_problems(targeting, variants)


def instant(text: t.Any) -> float | None:
    """The end of a day YYYY-MM-DD (UTC), or an instant with its time zone, in unix seconds; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            day = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
            return (day + datetime.timedelta(days=1)).timestamp()
        found = datetime.datetime.fromisoformat(text)
        return found.timestamp() if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _variant_problems(variants: Mapping[str, t.Any]) -> Iterator[str]:
    kinds = {variant: _kind(value) for variant, value in variants.items()}
    wrong = [str(variant) for variant, kind in kinds.items() if kind is None or not isinstance(variant, str)]
    if wrong:
        yield f"variants {', '.join(wrong)}: a value is a boolean, a string, a number or a mapping, under a name"
    elif len(set(kinds.values())) > 1:
        told = ", ".join(f"{variant} is a {kind}" for variant, kind in kinds.items())
        yield f"variants are not of one type: {told}"


def _kind(value: t.Any) -> str | None:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "mapping" if isinstance(value, dict) else None


def _metadata_problems(metadata: Mapping[str, t.Any], variants: Mapping[str, t.Any]) -> Iterator[str]:
    for key, value in metadata.items():
        if not isinstance(key, str) or not key:
            yield f"metadata has the key {key!r}; a key is a string"
        elif _kind(value) not in ("boolean", "string", "number"):
            yield f"metadata {key} is {value!r}; a value is a string, a number or a boolean"
        elif key in (KILLED, KILL_ID):
            yield f"metadata {key} is what a kill writes; use action kill"
        elif key in (ON, OFF) and value not in variants:
            yield f"metadata {key} names {value!r}, which is none of the variants {_names(variants)}"
        elif key == EXPIRES and instant(value) is None:
            yield f"metadata {key} is {value!r}; give YYYY-MM-DD, or an instant with its time zone"


def _targeting_problems(targeting: Mapping[str, t.Any], variants: Mapping[str, t.Any]) -> list[str]:
    found = list(_operator_problems(targeting))
    for arguments in _fractionals(targeting):
        found += _fractional_problems(arguments, variants)
    for result in _results(targeting):
        word = str(result).lower() if isinstance(result, bool) else result
        if word not in variants:
            found.append(f"targeting gives {result!r}, which is none of the variants {_names(variants)}")
    return list(dict.fromkeys(found))


def _operator_problems(value: t.Any) -> Iterator[str]:
    for one in _expressions(value):
        if one and (len(one) != 1 or not set(one) <= _OPERATORS):
            yield f"targeting has {', '.join(map(str, one))} where one known operator is needed"


def _expressions(value: t.Any) -> Iterator[Mapping[str, t.Any]]:
    """Every mapping in an expression, the outer one first."""
    if isinstance(value, Mapping):
        yield value
        for inner in value.values():
            yield from _expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _expressions(inner)


def _fractionals(targeting: Mapping[str, t.Any]) -> Iterator[t.Any]:
    return (one["fractional"] for one in _expressions(targeting) if "fractional" in one)


def _fractional_problems(arguments: t.Any, variants: Mapping[str, t.Any]) -> Iterator[str]:
    entries = list(arguments) if isinstance(arguments, list) else []
    if entries and not isinstance(entries[0], list):
        # The expression that is hashed.
        entries = entries[1:]
    if not entries:
        yield "fractional has no entries; give it a list of [variant, weight]"
        return
    total = 0
    for entry in entries:
        if not isinstance(entry, list) or not 1 <= len(entry) <= 2 or not isinstance(entry[0], str):
            yield f"fractional has the entry {entry!r}; give [variant, weight]"
            continue
        if entry[0] not in variants:
            yield f"fractional names {entry[0]!r}, which is none of the variants {_names(variants)}"
        weight = entry[1] if len(entry) == 2 else 1
        if isinstance(weight, bool) or not isinstance(weight, int) or weight < 0:
            yield f"fractional gives {entry[0]} the weight {weight!r}; a weight is a whole number from 0 on"
        else:
            total += weight
    if not 0 < total <= LARGEST_SUM:
        yield f"the weights of a fractional add up to {total}; give more than 0 and at most {LARGEST_SUM}"


def _results(expression: t.Any) -> Iterator[str | bool]:
    """The variants that an expression names itself: what its branches give, where that is a constant."""
    if isinstance(expression, str | bool):
        yield expression
    elif isinstance(expression, Mapping) and isinstance(expression.get("if"), list):
        branches = expression["if"]
        # condition, result, condition, result, ... otherwise
        for at, branch in enumerate(branches):
            if at % 2 or at == len(branches) - 1:
                yield from _results(branch)


def _names(variants: Mapping[str, t.Any]) -> str:
    return ", ".join(map(str, variants))
