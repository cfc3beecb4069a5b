# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of flag_set, checked before anything is asked."""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Mapping, Sequence
from decimal import Decimal

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import CLUSTER, merge
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags import stores
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import JsonObject

_ACTIONS: t.Final = (
    "toggle",
    "rollout",
    "ab",
    "kill",
    "restore",
    "set",
    "rollback",
    "reconcile",
    "status",
    "history",
)
#: What an action cannot do without.
_NEEDED: t.Final[Mapping[str, Sequence[str]]] = {
    "toggle": ("flags", "value", "actor", "reason"),
    "rollout": ("flags", "percent", "actor", "reason"),
    "ab": ("flags", "weights", "actor", "reason"),
    "kill": ("flags", "actor", "reason"),
    "restore": ("flags", "actor", "reason"),
    "set": ("definitions", "actor", "reason"),
    "rollback": ("revision", "actor", "reason"),
}

ARGUMENT_SPEC: t.Final = merge(
    CLUSTER,
    {
        "action": {"type": "str", "choices": list(_ACTIONS), "required": True},
        "name": {"type": "str", "required": True},
        "config_map": {"type": "str", "default": stores.MAP},
        "stores": {"type": "list", "elements": "dict", "default": [], "options": stores.SPEC},
        "flags": {"type": "list", "elements": "str", "default": []},
        "value": {"type": "bool"},
        "percent": {"type": "float"},
        "reshuffle": {"type": "bool", "default": False},
        "weights": {"type": "dict", "default": {}},
        "definitions": {"type": "dict", "default": {}},
        "revision": {"type": "int"},
        "actor": {"type": "str"},
        "reason": {"type": "str"},
        "limit": {"type": "int", "default": 20},
        "patience_s": {"type": "float", "default": 5.0},
        "deadline_s": {"type": "float", "default": 60.0},
    },
)


@dataclasses.dataclass(frozen=True)
class Options:
    """`percent`, `weights`, `definitions` and `revision` are those of their actions, empty or 0 for the others."""

    action: str
    name: str
    flags: Sequence[str]
    value: bool
    percent: Decimal
    reshuffle: bool
    weights: Mapping[str, Decimal]
    definitions: Mapping[str, JsonObject | None]
    revision: int
    actor: str
    reason: str
    limit: int
    deadline_s: float


def options_of(params: Mapping[str, t.Any]) -> Options:
    """Check everything. Raises OptionError naming the option."""
    action = params["action"]
    for option in _NEEDED.get(action, ()):
        # False and 0 are values.
        if params.get(option) in (None, "", [], {}):
            raise OptionError(option, f"needed for action {action}")
    for option in ("patience_s", "deadline_s"):
        if not 0 < params[option] < math.inf:
            raise OptionError(option, f"is {params[option]:g}; give more than 0")
    if not params["name"].strip():
        raise OptionError("name", "is empty")
    percent = params.get("percent") or 0.0
    if not 0 <= percent <= 100:
        raise OptionError("percent", f"is {percent:g}; give 0 to 100")
    if params["limit"] < 1:
        raise OptionError("limit", f"is {params['limit']}; give 1 or more")
    if action == "rollback" and params["revision"] < 1:
        raise OptionError("revision", f"is {params['revision']}; the first one is 1")
    return Options(
        action=action,
        name=params["name"],
        flags=list(dict.fromkeys(params["flags"])),
        value=bool(params.get("value")),
        # By its text: 0.1 is a tenth and not what is next to it.
        percent=Decimal(repr(percent)),
        reshuffle=params["reshuffle"],
        weights=_weights(params["weights"]),
        definitions=_definitions(params["definitions"]),
        revision=params.get("revision") or 0,
        actor=params.get("actor") or "",
        reason=params.get("reason") or "",
        limit=params["limit"],
        deadline_s=float(params["deadline_s"]),
    )


def _weights(given: Mapping[str, t.Any]) -> dict[str, Decimal]:
    for variant, weight in given.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise OptionError("weights", f"{variant} has {weight!r}; a weight is a number from 0 on")
    if given and not any(given.values()):
        raise OptionError("weights", "are all 0; give one of them more")
    return {str(variant): Decimal(repr(weight)) for variant, weight in given.items()}


def _definitions(given: Mapping[str, t.Any]) -> dict[str, JsonObject | None]:
    for name, flag in given.items():
        if flag is not None and not isinstance(flag, Mapping):
            raise OptionError("definitions", f"{name} is {flag!r}; give a flag in flagd's format, or null to remove it")
    return {str(name): dict(flag) if flag is not None else None for name, flag in given.items()}
