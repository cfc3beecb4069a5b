# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of stores, by name. A new one is a class like `model.Store`, a line in KINDS and its option."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import Spec
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.configmap_store import ConfigMapStore
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.file_store import FileStore
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Store
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.redis_store import RedisStore

#: The store in the fleet's cluster, which gives out the numbers of revisions.
FLEET: t.Final = "fleet"
#: The name of its ConfigMap, and the prefix in a Redis, where none is given.
MAP: t.Final = "pincex-flags"


class _Maker(t.Protocol):
    """What a store's class offers beside `model.Store`."""

    def from_options(self, options: Mapping[str, t.Any], clock: Clock, patience_s: float, /) -> Store:
        """The store of these options, which have its `name` as well. Nothing is asked yet. Raises OptionError."""


#: In the order in which a kill goes to them: where it is seen within milliseconds, within a minute, and the backup.
KINDS: t.Final[Mapping[str, _Maker]] = {"redis": RedisStore, "configmap": ConfigMapStore, "file": FileStore}

#: The options of one store: its name, and the option of its kind.
SPEC: t.Final[Spec] = {
    "name": {"type": "str", "required": True},
    "redis": {
        "type": "dict",
        "options": {
            "url": {"type": "str", "required": True},
            "mode": {"type": "str", "choices": ["single", "sentinel", "cluster"], "default": "single"},
            "service": {"type": "str"},
            "username": {"type": "str"},
            "password_file": {"type": "path", "no_log": False},
            "ca_cert": {"type": "path"},
            "client_cert": {"type": "path"},
            "client_key": {"type": "path", "no_log": False},
            "prefix": {"type": "str", "default": MAP},
        },
    },
    "configmap": {
        "type": "dict",
        "options": {
            "kubeconfig": {"type": "path"},
            "context": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "config_map": {"type": "str", "default": MAP},
        },
    },
    "file": {"type": "dict", "options": {"path": {"type": "path", "required": True}}},
}


def open_stores(params: Mapping[str, t.Any], clock: Clock) -> list[Store]:
    """All stores of the set, the fleet's first. Raises OptionError."""
    patience_s = float(params["patience_s"])
    fleet = {key: params[key] for key in ("kubeconfig", "context", "namespace", "config_map")}
    made: list[Store] = [ConfigMapStore.from_options({**fleet, "name": FLEET}, clock, patience_s)]
    for given in params["stores"]:
        kinds = [kind for kind in KINDS if given.get(kind)]
        if len(kinds) != 1:
            raise OptionError("stores", f"{given['name']}: give one of {', '.join(KINDS)}; it has {len(kinds)} of them")
        if given["name"] in [store.name for store in made]:
            raise OptionError("stores", f"{given['name']}: another store has that name")
        options = {**given[kinds[0]], "name": given["name"]}
        if "kubeconfig" in options:
            options["kubeconfig"] = options["kubeconfig"] or params["kubeconfig"]
        made.append(KINDS[kinds[0]].from_options(options, clock, patience_s))
    return made


def in_turns(stores: Sequence[Store]) -> list[list[Store]]:
    """The stores by kind, in the order in which a change goes to them."""
    return [[store for store in stores if store.kind == kind] for kind in KINDS]
