# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clock that is CHAOS_SKEW_S seconds ahead, for a controller whose PYTHONPATH begins with this folder.

The collection takes its wall clock from `time.time` alone (`_core/clock.py`) and its durations from the monotonic
clock, which a wrong clock does not touch. Certificates are judged by OpenSSL with the machine's own clock.
"""

import os
import time

_skew = float(os.environ.get("CHAOS_SKEW_S") or 0)
_time = time.time
if _skew:
    time.time = lambda: _time() + _skew
