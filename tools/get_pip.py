# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the pip bootstrap script that ansible-test downloads: pip from Python itself, then what was asked for.

Called as `python get_pip.py [pip options] PACKAGE...` inside a fresh virtual environment.
"""

from __future__ import annotations

import runpy
import subprocess
import sys

# In a process of its own: ensurepip switches pip's settings off for the process it runs in.
subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True, stdout=subprocess.DEVNULL)
# Two options belong to the real script and not to pip.
sys.argv = ["pip", "install", *(a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel"))]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
