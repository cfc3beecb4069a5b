# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python3 -m lab.models.service`: the model that PINCEX_SERVICE names, as the version in PINCEX_VERSION."""

from __future__ import annotations

import os
import sys

import uvloop

from lab.exchange.service import run_until_signal
from lab.exchange.settings import SettingsError
from lab.models.service.model import Model, read_settings


async def serve(model: Model) -> int:
    """Answer until the process is told to end."""
    await model.start()
    code = await run_until_signal(model.service)
    await model.stop()
    return code


def main() -> int:
    try:
        settings, recorder_url = read_settings(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    return uvloop.run(serve(Model(settings, recorder_url)))


if __name__ == "__main__":
    sys.exit(main())
