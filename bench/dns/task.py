# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dns_weight as Ansible runs it: here by `ran`, or as a process of its own by `python -m bench.dns.task`.

The process is one of those that `bench.at_once` lets begin. It prints the result as JSON.
"""

from __future__ import annotations

import json
import sys
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import execute
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.run import ARGUMENT_SPEC, EMPTY_RESULT, run

from bench import at_once

Json = dict[str, t.Any]


def ran(options: t.Mapping[str, t.Any]) -> Json:
    """The result. Raises ValueError for options that the module does not take."""
    checked = ArgumentSpecValidator(dict(ARGUMENT_SPEC)).validate(dict(options))
    if checked.error_messages:
        raise ValueError("; ".join(checked.error_messages))
    result: Json = execute(
        run,
        checked.validated_parameters,
        check_mode=False,
        diff=False,
        clock=SystemClock(),
        progress=lambda _line: None,
        empty=EMPTY_RESULT,
    )
    return result


def main() -> int:
    print(json.dumps(ran(at_once.begin()), default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
