# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that stand beside the gate."""

from __future__ import annotations

import re

from bench.gate import tools
from lab import binaries


def test_kubectl_is_that_of_the_lab_and_every_program_is_pinned() -> None:
    versions = tools.versions()
    assert versions["kubectl"].removeprefix("v0.") == binaries.KUBERNETES_VERSION.removeprefix("v1.")
    sums = (tools.MODULE / "go.sum").read_text(encoding="utf-8")
    for name in ("kubectl", "helm", "kwok"):
        assert re.search(rf"{name}\S* {re.escape(versions[name])} h1:", sums), name
