# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registries that there are, and the option that says which one is asked."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import Spec
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.mlflow_registry import (
    REQUEST_S,
    MlflowRegistry,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.registry import Registry


class _Maker(t.Protocol):
    def from_options(self, options: Mapping[str, t.Any], clock: Clock, /) -> Registry:
        """The registry of these options. Nothing is asked yet. Raises OptionError."""


REGISTRIES: t.Final[Mapping[str, _Maker]] = {"mlflow": MlflowRegistry}

#: The suboptions of `registry`.
SPEC: t.Final[Spec] = {
    "type": {"type": "str", "choices": sorted(REGISTRIES), "default": "mlflow"},
    "url": {"type": "str", "required": True},
    "model": {"type": "str"},
    "token_file": {"type": "path", "no_log": False},
    "username": {"type": "str"},
    "password_file": {"type": "path", "no_log": False},
    "ca_cert": {"type": "path"},
    "timeout_s": {"type": "float", "default": REQUEST_S},
}


def registry_of(given: Mapping[str, t.Any], clock: Clock) -> Registry:
    """The registry that the option names. Raises OptionError."""
    return REGISTRIES[given["type"]].from_options(given, clock)
