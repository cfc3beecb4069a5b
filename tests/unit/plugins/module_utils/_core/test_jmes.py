# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions are refused when they are written, and what does not fit a body is told and not raised through."""

from __future__ import annotations

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import jmes
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.jmes import Expression


def test_what_is_found() -> None:
    assert Expression("a.b || `7`").search({"a": {"b": 5}}) == 5
    assert Expression("a.b || `7`").search({}) == 7
    assert Expression("a").search([]) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [("a[", "Invalid"), ("nothing(a)", "there is no function nothing()"), ("length(a, b)", "takes 1 arguments, not 2")],
)
def test_what_is_no_expression(text: str, said: str) -> None:
    with pytest.raises(ValueError) as error:
        Expression(text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("text", "body"), [("length(a)", {"a": 5}), ("sort_by(a, &b)", {"a": [{"b": 1}, {"b": "x"}]})])
def test_what_does_not_fit(text: str, body: object) -> None:
    with pytest.raises(ValueError):
        Expression(text).search(body)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jmes, "HAVE_JMESPATH", False)
    with pytest.raises(ReleaseError, match="jmespath"):
        Expression("a")
