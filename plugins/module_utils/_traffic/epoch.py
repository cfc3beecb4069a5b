# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The epoch record of an engine: which of its slots trades. Pure.

The record is a ConfigMap that the engines write, by compare-and-swap, and nobody else. What it says counts as weights:
all of the traffic for the slot that owns the epoch.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import SLOTS

API_VERSION: t.Final = "v1"
KIND: t.Final = "ConfigMap"
_KEY: t.Final = "record"
_NAME_LABEL: t.Final = "app.kubernetes.io/name"


@dataclasses.dataclass(frozen=True)
class Epoch:
    """What a record says."""

    number: int
    weights: Mapping[str, int]


def record_name(service: str) -> str:
    """The name of the ConfigMap."""
    return f"{service}-epoch"


def is_epoch_record(obj: Mapping[str, t.Any]) -> bool:
    """Whether this object is the record of the service that its label names."""
    meta = obj["metadata"]
    service = (meta.get("labels") or {}).get(_NAME_LABEL)
    return obj["kind"] == KIND and service is not None and meta["name"] == record_name(service)


def epoch_of(record: Mapping[str, t.Any], service: str) -> Epoch:
    """Raises ValueError, half a sentence, for a record that does not name a slot of the service: nobody could tell then
    which slot must not be touched."""
    text = (record.get("data") or {}).get(_KEY)
    try:
        found = json.loads(text or "")
        number, owner = int(found["epoch"]), str(found["owner"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"has no epoch and owner in its {_KEY}: {text!r}") from error
    name, _dash, slot = owner.rpartition("-")
    if name != service or slot not in SLOTS:
        raise ValueError(f"is owned by {owner}, which is no slot of {service}")
    return Epoch(number, {one: 100 if one == slot else 0 for one in SLOTS})
