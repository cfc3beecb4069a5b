# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""flag_set as Ansible runs it: here by `ran`, or as a process of its own by `python -m bench.flags.task`.

The process is one of those that `bench.at_once` lets begin. It carries out a list of tasks, and prints their results
as JSON.
"""

from __future__ import annotations

import json
import sys
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import execute
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.run import ARGUMENT_SPEC, EMPTY_RESULT, run

from bench import at_once

Json = dict[str, t.Any]


def checked(options: t.Mapping[str, t.Any]) -> Json:
    """The options with their defaults. Raises ValueError for some that the module does not take."""
    found = ArgumentSpecValidator(dict(ARGUMENT_SPEC)).validate(dict(options))
    if found.error_messages:
        raise ValueError("; ".join(found.error_messages))
    validated: Json = found.validated_parameters
    return validated


def ran(options: t.Mapping[str, t.Any]) -> Json:
    """The result, which may be a failure."""
    result: Json = execute(
        run,
        checked(options),
        check_mode=False,
        diff=False,
        clock=SystemClock(),
        progress=lambda _line: None,
        empty=EMPTY_RESULT,
    )
    return result


def good(options: t.Mapping[str, t.Any]) -> Json:
    """The result of a task that has to succeed. Raises AssertionError."""
    result = ran(options)
    assert not result.get("failed"), result.get("msg")
    return result


def main() -> int:
    print(json.dumps([ran(options) for options in at_once.begin()], default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
