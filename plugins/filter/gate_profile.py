# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate profiles that come with the collection, for inventories."""

from __future__ import annotations

import pathlib
import typing as t

import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.profiles import merged_profile

_SHIPPED: t.Final[dict[str, dict[str, t.Any]]] = yaml.safe_load(
    (pathlib.Path(__file__).parents[1] / "plugin_utils" / "gate_profiles.yml").read_text(encoding="utf-8")
)


def gate_profile(name: str, *more: str) -> dict[str, t.Any]:
    try:
        return merged_profile(_SHIPPED, [name, *more])
    except ValueError as error:
        raise AnsibleFilterError(f"gate_profile: {error}") from error


class FilterModule:
    """Filters of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"gate_profile": gate_profile}
