# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: the trading mode, and the epoch under which the engine writes. No I/O."""

from __future__ import annotations

import dataclasses
import typing as t

from .orders import Refusal

MODES: t.Final = ("online", "post_only", "cancel_only", "halted")


def check_new_order(mode: str, post_only: bool) -> None:
    """Raise Refusal when the mode takes no such order. post_only: only orders that cannot trade."""
    if mode == "online" or (mode == "post_only" and post_only):
        return
    taken = "only post-only orders are" if mode == "post_only" else "no new order is"
    raise Refusal(409, f"the exchange is in mode {mode}: {taken} taken", f"mode_{mode}")


def check_command(mode: str) -> None:
    """Raise Refusal when not even cancels are taken."""
    if mode == "halted":
        raise Refusal(409, "the exchange is in mode halted: nothing is taken", "mode_halted")


@dataclasses.dataclass(slots=True)
class Epoch:
    """Each engine writes under an epoch. A closed one is over for every engine that has read its journal."""

    number: int = 1
    closed: bool = False
    #: Unix milliseconds: after that the engine that closed it may open the same epoch again.
    until_ms: int = 0
    #: Who opened it; empty for the first.
    by: str = ""

    def check(self) -> None:
        if self.closed:
            raise Refusal(423, f"epoch {self.number} is closed", "epoch_closed")

    def close(self, until_ms: int) -> None:
        self.closed, self.until_ms = True, until_ms

    def check_open(self, number: int) -> None:
        """Raise Refusal unless it is the next epoch, or the return to this one."""
        if not self.closed:
            raise Refusal(409, f"epoch {self.number} is open")
        if number not in (self.number, self.number + 1):
            raise Refusal(409, f"epoch {self.number} is closed: epoch {number} cannot follow it")

    def open(self, number: int, by: str) -> None:
        self.number, self.closed, self.until_ms, self.by = number, False, 0, by
