# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put gate profiles together. Pure."""

from __future__ import annotations

import copy
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.gates import KINDS

JsonObject = dict[str, t.Any]


def merged_profile(profiles: Mapping[str, Mapping[str, t.Any]], names: Sequence[str]) -> JsonObject:
    """The profiles of these names as one: the checks of all, everything else from the first that says it.

    Raises ValueError for a name that is not there.
    """
    found: JsonObject = {}
    for name in names:
        if name not in profiles:
            raise ValueError(f"{name} is not a gate profile of the collection (there are: {', '.join(profiles)})")
        profile = copy.deepcopy(dict(profiles[name]))
        for kind in KINDS:
            checks = profile.pop(kind, [])
            if checks:
                found[kind] = [*found.get(kind, []), *checks]
        found = {**profile, **found}
    return found
