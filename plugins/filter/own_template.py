# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter over what a service's own template renders. The work is in `module_utils/_catalogue`."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue import model, own_template
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._plain import plainly


def own_manifests(
    rendered: Mapping[str, Sequence[t.Any]], service: str, version: str, strategy: str = "canary"
) -> dict[str, list[dict[str, t.Any]]]:
    try:
        workload = model.Service(service, "", strategy=strategy).workload
        return own_template.checked_manifests(service, version, rendered, workload)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filters of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"own_manifests": plainly(own_manifests)}
