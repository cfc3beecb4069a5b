# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from lab.exchange import faults


def test_v3_fails_a_fifth_of_the_orders_always_the_same() -> None:
    ids = [f"us-east-1-ab-{number}" for number in range(5000)]
    failed = [name for name in ids if faults.fails_order("core-api", "v3", name)]
    assert 900 <= len(failed) <= 1100
    assert failed == [name for name in ids if faults.fails_order("core-api", "v3", name)]


@pytest.mark.parametrize("service", ["core-api", "reference-data", "matching-engine"])
@pytest.mark.parametrize("version", ["v1", "v2", "v3", "v4", "v5", "v6"])
def test_every_fault_is_in_one_version_of_core_api(service: str, version: str) -> None:
    bad = service == "core-api"
    assert any(faults.fails_order(service, version, f"id-{n}") for n in range(100)) == (bad and version == "v3")
    assert faults.delay_s(service, version) == (0.3 if bad and version == "v4" else 0)
    assert faults.never_ready(service, version) == (bad and version == "v6")
    if bad and version == "v5":
        with pytest.raises(RuntimeError):
            faults.crash_at_start(service, version)
    else:
        faults.crash_at_start(service, version)
