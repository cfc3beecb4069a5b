# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long to wait before the next try of a request: longer each time, half of it chance, and never less than the
server asks for."""

from __future__ import annotations

import email.utils
import random
from collections.abc import Callable, Mapping


class Pauses:
    """The pauses of one request, in seconds. `chance` gives 0 to 1: processes that failed together must not come back
    together."""

    def __init__(self, first_s: float, longest_s: float, chance: Callable[[], float] = random.random) -> None:
        self._pause_s = first_s
        self._longest_s = longest_s
        self._chance = chance

    def next(self, asked_s: float = 0.0) -> float:
        """The next one. `asked_s` is what the server asks for."""
        wait_s = self._pause_s * (0.5 + 0.5 * self._chance())
        self._pause_s = min(2 * self._pause_s, self._longest_s)
        return max(wait_s, asked_s)


def retry_after_s(headers: Mapping[str, str], now: float) -> float:
    """Seconds that an answer asks to wait, as a number or a date; 0 when it asks for nothing that can be read. `now` is
    unix seconds."""
    text = next((value.strip() for name, value in headers.items() if name.lower() == "retry-after"), "")
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return 0.0
