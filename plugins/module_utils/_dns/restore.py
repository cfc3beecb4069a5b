# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take back what a release did to a set: three-way, region by region."""

from __future__ import annotations

from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.change import change
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_dns_undo import steps_of, way_back
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.task import Task


def restore(task: Task) -> None:
    """Lead the set back to what it was. What somebody else decided since stays and is in `kept`."""
    options, journal = task.options, task.session.journal
    journal.guard()
    steps = steps_of(journal.entries(), options.name, options.kind)
    if not steps:
        task.end_with("pass", f"{task.title}: this release did not write it")
        return
    if task.read() is None:
        task.told["kept"] = [f"{task.title}: the set was removed by somebody else; it stays away"]
        task.end_with("pass", task.told["kept"][0])
        return
    change(
        task,
        lambda found, healthy: way_back(task.title, steps, found.weights, healthy, options.limits.behind),
        back=True,
    )
