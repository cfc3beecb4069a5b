# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way into a task: the region's API server and its journal, from the options of every module."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import kube as kube_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef


@dataclasses.dataclass(frozen=True)
class Session:
    """What every task works with."""

    kube: KubeApi
    journal: Journal
    namespace: str
    region: str


def open_session(
    params: Mapping[str, t.Any], *, clock: Clock, check_mode: bool = False, undoing: bool = False
) -> Session:
    """Connect to the region, and to the fleet when the task is part of a release. Nothing is sent yet."""
    region = params.get("region") or params["context"]
    option = params.get("release")
    release = ReleaseRef.from_option(option) if option else None
    kube = kube_module.connect(params["kubeconfig"], params["context"], region, clock)
    kube.unreachable_s = params.get("unreachable_s", kube.unreachable_s)
    fleet = None
    if release is not None:
        fleet = kube_module.connect(release.fleet.kubeconfig, release.fleet.context, "fleet", clock)
    journal = Journal(kube, params["namespace"], release, clock, fleet, undoing=undoing, check_mode=check_mode)
    return Session(kube, journal, params["namespace"], region)
