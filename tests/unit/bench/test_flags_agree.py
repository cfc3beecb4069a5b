# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison of two clients: what is compared, and what counts as a difference."""

from __future__ import annotations

import json

from bench.flags import agree
from bench.results import ROOT


def test_the_document_has_a_flag_for_each_percentage() -> None:
    text, cases = agree.document()
    flags = json.loads(text)["flags"]
    assert set(flags) == set(cases) == {*(f"share-{percent}" for percent in agree.PERCENTS), "three"}
    assert flags["share-12.5"]["targeting"] == {"fractional": [["on", 125], ["off", 875]]}
    assert flags["three"]["targeting"] == {"fractional": [["off", 2], ["on", 1], ["also", 1]]}


def test_every_user_without_the_same_variant_counts() -> None:
    left = {"same": ["on", "off"], "other": ["on", "off"], "short": ["on"], "error": [None, "on"]}
    right = {
        "same": ["on", "off"],
        "other": ["off", "on"],
        "short": ["on", "on"],
        "error": [None, "on"],
        "more": ["on"],
    }
    assert agree.different(left, right) == {"same": 0, "other": 2, "short": 1, "error": 1, "more": 1}


def test_one_user_is_too_many() -> None:
    good, bad = agree.rows({"a": 0, "b": 1}, {"a": "1 %", "b": "25 %"})
    assert (good["case"], good["value"], good["met"]) == ("1 %, 10,000 users", 0.0, True)
    assert bad["met"] is False


def test_the_packages_are_pinned_and_name_no_host() -> None:
    folder = ROOT / "bench" / "flags" / "javascript"
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    text = (folder / "package-lock.json").read_text()
    lock = json.loads(text)["packages"]
    assert wanted["@openfeature/flagd-core"] == "4.0.1"
    for name, version in wanted.items():
        assert lock[f"node_modules/{name}"]["version"] == version
    assert "resolved" not in text and "://" not in text
    assert all("integrity" in one for path, one in lock.items() if path)
