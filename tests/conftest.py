# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers lie beside the tests that share them and are imported by their bare name, so the name has to be unique."""

from __future__ import annotations

import pathlib
import sys

for helper in sorted(pathlib.Path(__file__).parent.rglob("*.py")):
    if not helper.name.startswith(("test_", "conftest", "__init__")) and str(helper.parent) not in sys.path:
        sys.path.append(str(helper.parent))
