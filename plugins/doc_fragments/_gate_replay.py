# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the option `replay` of the gate."""

from __future__ import annotations


class ModuleDocFragment:
    """Beside `replay.SPEC`."""

    DOCUMENTATION = r"""
options:
  replay:
    description:
      - Judge the past instead of the present, by what Prometheus has recorded, and say what would have been decided
        when. For trying out limits before they are trusted.
      - The same code looks every O(interval_s) from the start to the end. After each decision a new judgement begins,
        so every alarm of the time is found.
      - O(workloads) and O(health) are left out, because nobody has recorded them.
    type: dict
    suboptions:
      start:
        description: The first look, in unix seconds or as ISO 8601 text. Without a zone it is UTC.
        type: str
        required: true
      end:
        description: The last look, at most 7 days later and not in the future.
        type: str
        required: true
"""
