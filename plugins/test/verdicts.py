# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests over verdicts of regions."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.verdicts import any_bad


class TestModule:
    """Tests of the collection."""

    def tests(self) -> dict[str, t.Callable[..., bool]]:
        return {"any_bad": any_bad}
