# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JMESPath expressions that are checked before they are needed."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError

try:
    import jmespath
    import jmespath.exceptions
    import jmespath.functions

    HAVE_JMESPATH = True
except ImportError:
    HAVE_JMESPATH = False


class Expression:
    """An expression that is known to parse. Raises ValueError with one clause when it does not, and ReleaseError
    without the library."""

    def __init__(self, text: str) -> None:
        self.text = text
        if not HAVE_JMESPATH:
            raise ReleaseError(missing_required_lib("jmespath"), kind="library", system="controller")
        try:
            self._compiled = jmespath.compile(text)
            _check_functions(self._compiled.parsed)
        except jmespath.exceptions.JMESPathError as error:
            raise ValueError(" ".join(str(error).split())) from error

    def search(self, body: t.Any) -> t.Any:
        """What the expression finds, None for nothing. Raises ValueError when it does not fit the body."""
        try:
            return self._compiled.search(body)
        except jmespath.exceptions.JMESPathError as error:
            raise ValueError(" ".join(str(error).split())) from error
        except (TypeError, AttributeError, KeyError, RecursionError) as error:
            # The library lets some of them through, for example when it sorts what has no order.
            raise ValueError(type(error).__name__) from error


def _check_functions(node: Mapping[str, t.Any]) -> None:
    """Functions that do not exist, which the library finds out when it calls them. Raises JMESPathError."""
    if node["type"] == "function_expression":
        known = jmespath.functions.Functions.FUNCTION_TABLE.get(node["value"])
        if known is None:
            raise jmespath.exceptions.UnknownFunctionError(f"there is no function {node['value']}()")
        signature, given = known["signature"], len(node["children"])
        variadic = bool(signature) and signature[-1].get("variadic", False)
        if given < len(signature) or (given > len(signature) and not variadic):
            raise jmespath.exceptions.JMESPathError(f"{node['value']}() takes {len(signature)} arguments, not {given}")
    for child in node["children"]:
        if isinstance(child, dict):
            _check_functions(child)
