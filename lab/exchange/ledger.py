# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts with reservations, fees, and the rule that no amount comes from nowhere. Integers only, no I/O."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from .orders import Refusal
from .pairs import MONEY_DECIMALS, Pair

#: 10 basis points.
_FEE_DIVISOR: t.Final = 1000


def fee(quote: int) -> int:
    """The fee on an amount of the quote currency, rounded up; seller and buyer pay it each."""
    return -(-quote // _FEE_DIVISOR)


def money(amount: int) -> str:
    """An amount as people write it."""
    whole, part = divmod(amount, 10**MONEY_DECIMALS)
    return f"{whole}.{part:0{MONEY_DECIMALS}d}".rstrip("0").rstrip(".")


def buyer_need(price: int, quantity: int, quote_scale: int) -> int:
    """What a buy order reserves: its price and the most that its fees can come to.

    The fee of each fill is rounded up on its own, so the most is the fee of a quantity of 1, times the quantity. That
    is linear: a fill releases exactly its part of the reservation.
    """
    each = price * quote_scale
    return (each + fee(each)) * quantity


def order_need(pair: Pair, side: str, price: int, quantity: int) -> tuple[str, int]:
    """Currency and amount that an order with so much remaining reserves."""
    if side == "buy":
        return pair.quote, buyer_need(price, quantity, pair.quote_scale)
    return pair.base, quantity * pair.base_scale


@dataclasses.dataclass(slots=True)
class Balance:
    """One currency of one account."""

    available: int = 0
    reserved: int = 0


class Ledger:
    """Every movement takes from one place what it gives to another.

    Per currency: available + reserved + fees + suspended + adjustments = 0. `suspended` holds both legs of a trade
    between trade and settlement; `adjustments` is minus what was deposited.
    """

    def __init__(self) -> None:
        self.accounts: dict[str, dict[str, Balance]] = {}
        self.fees: dict[str, int] = collections.defaultdict(int)
        self.suspended: dict[str, int] = collections.defaultdict(int)
        self.adjustments: dict[str, int] = collections.defaultdict(int)

    def _credit(self, account: str, currency: str, amount: int) -> None:
        balances = self.accounts.setdefault(account, {})
        balance = balances.get(currency)
        if balance is None:
            balance = balances[currency] = Balance()
        balance.available += amount

    def deposit(self, account: str, currency: str, amount: int) -> None:
        self._credit(account, currency, amount)
        self.adjustments[currency] -= amount

    def reserve(self, account: str, currency: str, amount: int) -> None:
        """Raises Refusal when the account does not have it."""
        balance = self.accounts.get(account, {}).get(currency)
        available = balance.available if balance is not None else 0
        if balance is None or available < amount:
            raise Refusal(
                422, f"insufficient funds: account {account} has {money(available)} {currency}, {money(amount)} needed"
            )
        balance.available = available - amount
        balance.reserved += amount

    def release(self, account: str, currency: str, amount: int) -> None:
        """Give back what an order has reserved and does not need any more."""
        balance = self.accounts[account][currency]
        balance.reserved -= amount
        balance.available += amount

    def buyer_pays(self, account: str, currency: str, released: int, quote: int, charged: int) -> None:
        """Of what this part of the buyer's order had reserved, price and fee go, and the rest comes back."""
        balance = self.accounts[account][currency]
        balance.reserved -= released
        balance.available += released - quote - charged
        self.suspended[currency] += quote
        self.fees[currency] += charged

    def seller_delivers(self, account: str, base_currency: str, base: int, quote_currency: str, charged: int) -> None:
        """The seller gives what his order had reserved, and the fee out of what he will get."""
        self.accounts[account][base_currency].reserved -= base
        self.suspended[base_currency] += base
        self.suspended[quote_currency] -= charged
        self.fees[quote_currency] += charged

    def settle(self, account: str, currency: str, amount: int) -> None:
        """A leg of a trade reaches the account that it is for."""
        self.suspended[currency] -= amount
        self._credit(account, currency, amount)

    def totals(self) -> dict[str, dict[str, int]]:
        """{currency: {available, reserved, fees, suspended, adjustments, sum}}; a sum that is not 0 is an error."""
        currencies = {currency for balances in self.accounts.values() for currency in balances}
        currencies.update(self.fees, self.suspended, self.adjustments)
        totals = {currency: {"available": 0, "reserved": 0} for currency in sorted(currencies)}
        for balances in self.accounts.values():
            for currency, balance in balances.items():
                totals[currency]["available"] += balance.available
                totals[currency]["reserved"] += balance.reserved
        for currency, row in totals.items():
            row["fees"] = self.fees.get(currency, 0)
            row["suspended"] = self.suspended.get(currency, 0)
            row["adjustments"] = self.adjustments.get(currency, 0)
            row["sum"] = sum(row.values())
        return totals
