# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process of the FIX gateway: how it begins and how it ends."""

from __future__ import annotations

import asyncio

from .fix_control import FixControl
from .fix_gateway import FixGateway
from .fix_sessions import FixSessions
from .service import Service, run_until_signal
from .settings import Settings


async def serve_fix(settings: Settings, service: Service) -> int:
    """Serve until a signal. Clients get a Logout, and their store all reports of what they have sent until then."""
    gateway = FixGateway(settings)
    sessions = FixSessions.accept(gateway, settings.fix_sessions, gateway.store, settings.fix_port)
    control = FixControl(service, gateway, sessions, settings.fix_sessions)
    control.attach()

    async def begin() -> None:
        try:
            await gateway.start(sessions)
            sessions.start()
            service.ready = True
        except Exception as error:
            gateway.failed.set_result(error)

    beginning = asyncio.get_running_loop().create_task(begin())
    code = await run_until_signal(service, gateway.failed)
    beginning.cancel()
    if code == 0:
        await control.close_sessions(1, 0, "the gateway ends")
        # What came until the Logout was sent.
        await gateway.finish()
    await sessions.stop()
    gateway.stop()
    return code
