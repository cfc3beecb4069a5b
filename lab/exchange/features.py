# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be switched off: feature flags by OpenFeature, or what is written here where none are read.

The client library costs memory and a start, so nothing of it is imported by a process that reads no flags.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import sys
import typing as t

from .orders import NewOrder, Refusal

if t.TYPE_CHECKING:
    from openfeature.event import EventDetails
    from openfeature.provider import FeatureProvider

#: What holds without flags, and for a flag that nobody has defined.
DEFAULTS: t.Final[t.Mapping[str, bool]] = {"margin_trading": False, "high_frequency_orders": True}

#: So long a start waits for the first flags: a new process must not take what has been killed. Then it goes on without.
_FIRST_MS: t.Final = 1_000
#: Between two looks at a file.
_LOOK_MS: t.Final = 500
#: Attempts to reach a bridge that is away, and how often one is asked whether it is still there.
_RETRY_MS: t.Final = 100
_LONGEST_RETRY_MS: t.Final = 1_000
_KEEP_ALIVE_MS: t.Final = 5_000

#: Whether this flag is on for this account.
Evaluate = t.Callable[[str, str], bool]


def by_default(flag: str, _account: str) -> bool:
    return DEFAULTS[flag]


def needed(order: NewOrder) -> tuple[str, ...]:
    """The flags that have to be on for this order."""
    flags = []
    if order.margin:
        flags.append("margin_trading")
    if order.high_frequency:
        flags.append("high_frequency_orders")
    return tuple(flags)


class Features:
    """By what speaks flagd's sync protocol at `sync` (HOST:PORT), a document of flagd at `path`, or the defaults."""

    def __init__(self, sync: str = "", path: str = "") -> None:
        self._sync = sync
        self._path = path
        self._evaluate: Evaluate = by_default

    async def start(self) -> None:
        """Have the first flags, or go on after a while; they come when they can. Never fails."""
        if self._sync or self._path:
            self._evaluate = await asyncio.to_thread(_begin, self._sync, self._path)

    async def stop(self) -> None:
        if self._evaluate is not by_default:
            from openfeature import api  # noqa: PLC0415 - an exchange without flags does not load the client

            await asyncio.to_thread(api.shutdown)

    def check(self, order: NewOrder) -> None:
        """Raise Refusal when a feature that the order uses is off. Asks nobody: the flags are in this process."""
        for flag in needed(order):
            if not self._evaluate(flag, order.account):
                raise Refusal(403, f"{flag.replace('_', ' ')}: off for account {order.account}", f"{flag}_off")


def _begin(sync: str, path: str) -> Evaluate:
    """Wait for the first flags, not in the event loop."""
    from openfeature import api  # noqa: PLC0415 - see above
    from openfeature.evaluation_context import EvaluationContext  # noqa: PLC0415 - see above
    from openfeature.event import ProviderEvent  # noqa: PLC0415 - see above
    from openfeature.exception import OpenFeatureError  # noqa: PLC0415 - see above

    # It would say the same on several lines at every look; what comes of it is said below.
    logging.getLogger("openfeature").setLevel(logging.CRITICAL)
    with contextlib.suppress(OpenFeatureError):
        api.set_provider_and_wait(_provider(sync, path))
    teller = _Teller(sync or path)
    for event, text in (
        (ProviderEvent.PROVIDER_READY, "they hold"),
        (ProviderEvent.PROVIDER_STALE, "nobody answers; the last ones hold"),
        (ProviderEvent.PROVIDER_ERROR, "none can be had; the last ones hold, or the defaults"),
    ):
        api.add_handler(event, functools.partial(teller.say, text))
    client = api.get_client()

    def evaluate(flag: str, account: str) -> bool:
        return client.get_boolean_value(flag, DEFAULTS[flag], EvaluationContext(account))

    return evaluate


def _provider(sync: str, path: str) -> FeatureProvider:
    from openfeature.contrib.provider.flagd import FlagdProvider  # noqa: PLC0415 - see above
    from openfeature.contrib.provider.flagd.config import ResolverType  # noqa: PLC0415 - see above

    if path:
        return FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=path, deadline_ms=_LOOK_MS)
    host, _, port = sync.rpartition(":")
    return FlagdProvider(
        host=host,
        port=int(port),
        resolver_type=ResolverType.IN_PROCESS,
        deadline_ms=_FIRST_MS,
        # Without it the stream ends every ten minutes, and changes are not seen until it is there again.
        stream_deadline_ms=0,
        retry_backoff_ms=_RETRY_MS,
        retry_backoff_max_ms=_LONGEST_RETRY_MS,
        keep_alive_time=_KEEP_ALIVE_MS,
    )


class _Teller:
    """Says once how it stands with the flags, until it stands otherwise."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._said = ""

    def say(self, text: str, _details: EventDetails) -> None:
        if text != self._said:
            self._said = text
            print(f"flags of {self._source}: {text}", file=sys.stderr, flush=True)
