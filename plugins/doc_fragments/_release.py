# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the options of every module that takes part in a release."""

from __future__ import annotations


class ModuleDocFragment:
    """Beside `arguments.RELEASE`."""

    DOCUMENTATION = r"""
options:
  release:
    description:
      - The release that this task belongs to, as M(pincex.zero_downtime.release_journal) returned it.
      - Every write is then made under the lock of the release, and is journaled before and after.
      - Without it nothing is journaled, and a write is refused while an unfinished release is in the namespace.
    type: dict
  step:
    description: The name of the step, for the journal.
    type: str
    default: ""
"""
