# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Import what the filters need into Ansible's main process.

Ansible forks a worker for each task and host, and its importer of collections keeps no bytecode: a filter whose code
is not there yet compiles it all again in each of them, 0.3 s at a time. Plugins that the main process loads (callbacks,
and actions, which it loads before it forks) call `import_filters`.
"""

from __future__ import annotations

import importlib
import typing as t

_FILTERS: t.Final = ("environment", "gate_profile", "release")


def import_filters() -> None:
    """Import all filters of the collection here and now."""
    for name in _FILTERS:
        importlib.import_module(f"ansible_collections.pincex.zero_downtime.plugins.filter.{name}")
