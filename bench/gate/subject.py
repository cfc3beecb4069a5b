# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.gate.subject < OPTIONS`: one judgement in a process of its own; the last line is what it found.

The same code as the module's and the action plugin's, with the defaults of its argument spec, and without Ansible
around it: what that costs is measured beside it.
"""

from __future__ import annotations

import json
import resource
import sys
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.run import ARGUMENT_SPEC, run

_TOLD: t.Final = ("verdict", "cause", "reason", "started_at", "ready_at", "decided_at")


def judge(options: dict[str, t.Any]) -> dict[str, t.Any]:
    """The verdict, its sentence and instants, the pods with their logs, and the most memory this process had (MB)."""
    checked = ArgumentSpecValidator(ARGUMENT_SPEC).validate({"fail_on": [], **options})
    if checked.error_messages:
        raise ValueError("; ".join(checked.error_messages))
    try:
        result = run(
            checked.validated_parameters,
            check_mode=False,
            diff=False,
            clock=SystemClock(),
            progress=lambda line: print(line, file=sys.stderr, flush=True),
        )
    except ReleaseError as error:
        result = {"verdict": "hold", "cause": error.kind, "reason": error.message, **error.partial}
    return {
        **{name: result.get(name) for name in _TOLD},
        "pods": (result.get("evidence") or {}).get("pods", []),
        # Kilobytes on Linux.
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    print(json.dumps(judge(json.load(sys.stdin))), flush=True)
