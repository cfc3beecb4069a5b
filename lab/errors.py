# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong in the lab, told in one sentence."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot go on. The message says what to do; the command line prints it and exits with 1."""
