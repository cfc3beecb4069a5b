# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals of the API server that mean a wrong option, said with the option's name."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError, OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref


@contextlib.contextmanager
def named(params: Mapping[str, t.Any]) -> Iterator[None]:
    """Name the option: the user of the context may not do it, or the namespace is not there."""
    try:
        yield
    except ApiError as error:
        if error.kind in ("forbidden", "unauthorized"):
            error.message = f"context: {params['context']} is not allowed to do that: {error.message}"
        elif error.kind == "not_found" and "namespaces" in error.message:
            where = params.get("region") or params["context"]
            problem = f"{params['namespace']} does not exist in {where}"
            raise OptionError("namespace", problem, region=error.region) from error
        raise


def must_exist(kube: KubeApi, namespace: str) -> None:
    """Refuse a namespace that is not there, as far as our user may look."""
    try:
        found = kube.get(Ref("v1", "Namespace", namespace))
    except ApiError as error:
        if error.kind != "forbidden":
            raise
        return
    if found is None:
        raise OptionError("namespace", f"{namespace} does not exist in {kube.region}", region=kube.region)
