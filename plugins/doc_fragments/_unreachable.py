# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the patience with an API server that does not answer."""

from __future__ import annotations


class ModuleDocFragment:
    """Beside `arguments.UNREACHABLE`."""

    DOCUMENTATION = r"""
options:
  unreachable_s:
    description:
      - For how many seconds a request to the region's API server is tried again while nothing answers.
      - At least one try is made, which waits 3 seconds for the connection and 10 for the answer.
      - An API server that answers that it is busy is asked again for 30 seconds in any case.
    type: float
    default: 30.0
"""
