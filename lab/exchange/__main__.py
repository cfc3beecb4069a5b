# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python3 -m exchange [SERVICE]`: run one service of the exchange; without an argument the one in PINCEX_SERVICE."""

from __future__ import annotations

import os
import sys

import uvloop

from . import faults
from .core_api import CoreApi
from .journal import JournalError
from .maintenance import Maintenance
from .matching_engine import MatchingEngine
from .reference_data import ReferenceData
from .service import Service, run_until_signal
from .settings import Settings, SettingsError, read_settings
from .venue import OPENING_ACCOUNTS


async def serve(settings: Settings) -> int:
    """Run one service until it is told to end."""
    if settings.service == "maintenance":
        return await run_until_signal(Maintenance(settings))
    service = Service(settings)
    if settings.service == "matching-engine":
        engine = MatchingEngine(settings, opening=OPENING_ACCOUNTS if settings.opening_balances else ())
        engine.attach(service)
        code = await run_until_signal(service, engine.journal.failed, engine.failed)
        engine.close()
        return code
    if settings.service == "core-api":
        core = CoreApi(settings)
        core.attach(service)
        await core.start()
        code = await run_until_signal(service)
        await core.stop()
        return code
    if settings.service == "fix-gateway":
        # No other service has QuickFIX.
        from .fix_service import serve_fix  # noqa: PLC0415 - images without QuickFIX serve the others

        return await serve_fix(settings, service)
    ReferenceData().attach(service)
    return await run_until_signal(service)


def main() -> int:
    try:
        settings = read_settings(os.environ, sys.argv[1] if len(sys.argv) > 1 else "")
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    faults.crash_at_start(settings.service, settings.version)
    try:
        return uvloop.run(serve(settings))
    except JournalError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
