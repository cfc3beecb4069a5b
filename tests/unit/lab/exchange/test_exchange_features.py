# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which orders need which flags, and what holds where none are read. With real clients: tests/flags."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.exchange.features import DEFAULTS, Features, needed
from lab.exchange.orders import NewOrder, Refusal

LAB = str(pathlib.Path(__file__).parents[4] / "lab")
ORDER = NewOrder("o-1", "BTC-USD", "buy", 1000, 5, "a007")


@given(st.booleans(), st.booleans())
def test_each_mark_needs_its_flag(margin: bool, high_frequency: bool) -> None:
    flags = needed(ORDER._replace(margin=margin, high_frequency=high_frequency))
    assert ("margin_trading" in flags, "high_frequency_orders" in flags) == (margin, high_frequency)
    assert set(flags) <= set(DEFAULTS)


async def test_without_flags_the_defaults_hold() -> None:
    features = Features()
    await features.start()
    features.check(ORDER)
    features.check(ORDER._replace(high_frequency=True))
    with pytest.raises(Refusal) as caught:
        features.check(ORDER._replace(margin=True, high_frequency=True))
    assert (caught.value.status, caught.value.code) == (403, "margin_trading_off")
    assert "a007" in caught.value.reason
    await features.stop()


def test_a_process_that_reads_no_flags_has_nothing_of_the_client() -> None:
    """It costs each pod memory and a start."""
    script = (
        "import asyncio, sys, exchange.__main__\n"
        "from exchange.features import Features\n"
        "asyncio.run(Features().start())\n"
        "print(sorted({'grpc', 'openfeature', 'google.protobuf'} & set(sys.modules)))"
    )
    found = subprocess.check_output([sys.executable, "-c", script], text=True, env={"PYTHONPATH": LAB})
    assert found.strip() == "[]"
