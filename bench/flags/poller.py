# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge of docs/examples/flag-sync, but it reads Redis every second and does not listen: `python -m
bench.flags.poller`, with the bridge's own options. What is compared is that one thing."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import types
import typing as t

from bench.results import ROOT

BRIDGE: t.Final = ROOT / "docs" / "examples" / "flag-sync" / "flag_sync.py"
_EVERY_S: t.Final = 1.0


def bridge() -> types.ModuleType:
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("flag_sync", BRIDGE)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def main() -> int:
    example = bridge()

    class Polling(example.FlagSync):  # type: ignore[misc,name-defined]  # loaded from its file
        async def follow(self) -> None:
            while True:
                self._take(*await self._redis.mget(self._keys))
                await asyncio.sleep(_EVERY_S)

    example.FlagSync = Polling  # type: ignore[attr-defined]  # loaded from its file
    example.main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
