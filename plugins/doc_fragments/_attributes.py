# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what the modules of this collection promise."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes; a module gives `support` of its own where it differs."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Says what would change and writes nothing.
    support: full
  diff_mode:
    description: Shows what is different before and after.
    support: full
  idempotent:
    description: A second run of the same task changes nothing.
    support: full
  action_group:
    description: Options that are the same for every task are given once, with O(ignore:module_defaults).
    support: full
    membership:
      - pincex.zero_downtime.cluster
"""
