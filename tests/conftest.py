# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be so before the first test is collected.

Ansible's collection finder comes before the first import from the collection, as in Ansible's own programs: a
collection that was imported without it has no metadata, and then none of its plugins is found by name.

No example of a property has a deadline: on a busy machine the slowest one says nothing of the code.

Helpers lie beside the tests that share them and are imported by their bare name, so the name has to be unique.
"""

from __future__ import annotations

import pathlib
import sys

from ansible.plugins.loader import init_plugin_loader
from hypothesis import settings

settings.register_profile("pincex", deadline=None)
settings.load_profile("pincex")
init_plugin_loader([str(pathlib.Path(__file__).parents[1] / ".venv" / "collections")])
for helper in sorted(pathlib.Path(__file__).parent.rglob("*.py")):
    if not helper.name.startswith(("test_", "conftest", "__init__")) and str(helper.parent) not in sys.path:
        sys.path.append(str(helper.parent))
