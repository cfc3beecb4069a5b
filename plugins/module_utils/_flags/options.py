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

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import CLUSTER, RELEASE, merge
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags import stores
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_apply import Wanted
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_request import flag_value
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import JsonObject

_ACTIONS: t.Final = (
    "toggle",
    "rollout",
    "ab",
    "kill",
    "restore",
    "set",
    "rollback",
    "apply",
    "undo",
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
    "apply": ("wanted", "actor", "reason"),
    "undo": ("actor", "reason"),
}

#: A client answers for so many in half a minute.
_MOST_USERS: t.Final = 1_000_000

ARGUMENT_SPEC: t.Final = merge(
    CLUSTER,
    RELEASE,
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
        "wanted": {"type": "dict", "default": {}},
        "revision": {"type": "int"},
        "since": {"type": "int"},
        "actor": {"type": "str"},
        "reason": {"type": "str"},
        "limit": {"type": "int", "default": 20},
        "evaluate": {"type": "dict", "apply_defaults": True, "options": {"users": {"type": "int", "default": 10_000}}},
        "patience_s": {"type": "float", "default": 5.0},
        "deadline_s": {"type": "float", "default": 60.0},
    },
)


@dataclasses.dataclass(frozen=True)
class Options:
    """`percent`, `weights`, `definitions`, `wanted` and `revision` are those of their actions, empty or 0 for the
    others. `since` is None when what one release wrote is taken back. `step` is for the journal of a release."""

    action: str
    name: str
    config_map: str
    flags: Sequence[str]
    value: bool
    percent: Decimal
    reshuffle: bool
    weights: Mapping[str, Decimal]
    definitions: Mapping[str, JsonObject | None]
    wanted: Mapping[str, Wanted]
    revision: int
    since: int | None
    step: str
    actor: str
    reason: str
    limit: int
    users: int
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
    users = params["evaluate"]["users"]
    if not 0 <= users <= _MOST_USERS:
        raise OptionError("evaluate", f"users is {users}; give 0 to {_MOST_USERS}, where 0 proves nothing")
    if action == "rollback" and params["revision"] < 1:
        raise OptionError("revision", f"is {params['revision']}; the first one is 1")
    since = params.get("since")
    if action == "undo" and since is None and not params.get("release"):
        raise OptionError("since", "needed for action undo that is no part of a release")
    if since is not None and since < 0:
        raise OptionError("since", f"is {since}; 0 is before the first revision")
    return Options(
        action=action,
        name=params["name"],
        config_map=params["config_map"],
        flags=list(dict.fromkeys(params["flags"])),
        value=bool(params.get("value")),
        # By its text: 0.1 is a tenth and not what is next to it.
        percent=Decimal(repr(percent)),
        reshuffle=params["reshuffle"],
        weights=_weights(params["weights"]),
        definitions=_definitions(params["definitions"]),
        wanted=_wanted(params["wanted"]),
        revision=params.get("revision") or 0,
        since=since,
        step=params.get("step") or action,
        actor=params.get("actor") or "",
        reason=params.get("reason") or "",
        limit=params["limit"],
        users=users,
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


def _wanted(given: Mapping[str, t.Any]) -> dict[str, Wanted]:
    found: dict[str, Wanted] = {}
    for name, one in given.items():
        if isinstance(one, Mapping):
            found[str(name)] = dict(one)
            continue
        try:
            value = flag_value(one)
        except ValueError as error:
            raise OptionError("wanted", f"{name}: {error}, or a definition in flagd's format") from error
        found[str(name)] = value if isinstance(value, bool) else Decimal(repr(value))
    return found
