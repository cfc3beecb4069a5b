# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees: what differs, and the way back field by field."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.tree import (
    Kept,
    WayBack,
    differences,
    dress,
    get_path,
    noted,
    set_path,
    strip,
)
from hypothesis import given, settings
from hypothesis import strategies as st

scalars = st.integers(0, 3) | st.sampled_from(["a", "b"])
keys = st.sampled_from(["p", "q", "r"])
maps = st.recursive(
    st.dictionaries(keys, scalars, max_size=3),
    lambda inner: st.dictionaries(keys, scalars | inner | st.lists(scalars, min_size=1, max_size=2), max_size=3),
    max_leaves=8,
)


def flat(tree: t.Any, path: str = "") -> dict[str, t.Any]:
    """Path -> value of every leaf; an empty map is a leaf of its own."""
    if isinstance(tree, dict) and tree:
        found = {}
        for key, value in tree.items():
            found |= flat(value, f"{path}.{key}" if path else key)
        return found
    return {} if tree == {} else {path: tree}


def back(before: t.Any, after: t.Any, live: t.Any) -> tuple[t.Any, list[Kept]]:
    way = WayBack()
    return way.take_back(before, after, live), list(way.kept.values())


@settings(max_examples=60, deadline=None)
@given(maps, maps)
def test_nobody_else_wrote_and_everything_is_as_before(before: t.Any, after: t.Any) -> None:
    assert back(before, after, after) == (before, [])


@settings(max_examples=60, deadline=None)
@given(maps, maps, maps)
def test_what_somebody_else_changed_stays(before: t.Any, after: t.Any, live: t.Any) -> None:
    result, _kept = back(before, after, live)
    old, ours, now, then = flat(before), flat(after), flat(live), flat(result)
    for path, value in now.items():
        if ours.get(path) != value and old.get(path) != value:
            assert then.get(path) == value, path
    for path, value in then.items():
        assert value in (now.get(path), old.get(path)), path


@settings(max_examples=60, deadline=None)
@given(maps, maps, maps)
def test_taking_back_twice_is_taking_back_once(before: t.Any, after: t.Any, live: t.Any) -> None:
    once, _kept = back(before, after, live)
    again, _kept = back(before, after, once)
    assert again == once


@settings(max_examples=60, deadline=None)
@given(maps, maps)
def test_differences_name_every_leaf_that_differs(before: t.Any, after: t.Any) -> None:
    changed = after
    for path, both in differences(before, after).items():
        assert both["before"] != both["after"]
        changed = _put(changed, path, both["before"])
    assert flat(changed) == flat(before)


def _put(tree: t.Any, path: str, value: t.Any) -> t.Any:
    if not path:
        return value
    tree = set_path(tree, path, value)
    if value is None:
        inner = tree
        *parents, last = path.split(".")
        for key in parents:
            inner = inner[key]
        del inner[last]
    return tree


def test_one_field_of_ours_and_one_of_somebody_else() -> None:
    before = {"replicas": 0, "paused": False}
    result, kept = back(before, {"replicas": 2, "paused": True}, {"replicas": 5, "paused": True})
    assert result == {"replicas": 5, "paused": False}
    assert kept == [Kept("replicas", 0, 2, 5)]


def test_an_empty_map_is_not_nothing() -> None:
    before, after = {"emptyDir": {}}, {"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}
    assert back(before, after, {"emptyDir": {"medium": "Memory"}}) == (before, [])
    assert back({}, {"labels": {"a": "1", "b": "1"}}, {"labels": {"a": "1"}}) == ({}, [])


def test_lists_of_named_items_are_maps() -> None:
    before = [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]
    after = [{"name": "A", "value": "2"}, {"name": "NEW", "value": "1"}]
    live = [{"name": "A", "value": "2"}, {"name": "NEW", "value": "1"}, {"name": "SIDECAR", "value": "x"}]
    result, kept = back(before, after, live)
    assert result == [{"name": "A", "value": "1"}, {"name": "SIDECAR", "value": "x"}, {"name": "B", "value": "1"}]
    assert kept == []
    assert differences(before, after).keys() == {"[A].value", "[B]", "[NEW]"}


def test_the_order_of_a_list_comes_back() -> None:
    before = [{"name": "first"}, {"name": "second"}]
    assert back(before, [{"name": "second", "x": 1}], [{"name": "second", "x": 1}])[0] == before
    assert back(before, list(reversed(before)), list(reversed(before)))[0] == before


def test_a_map_of_ours_goes_when_nothing_of_others_is_in_it() -> None:
    assert back({}, {"behavior": {"policy": "x"}}, {"behavior": {"policy": "x"}})[0] == {}
    result, _kept = back({}, {"behavior": {"policy": "x"}}, {"behavior": {"policy": "x", "theirs": 1}})
    assert result == {"behavior": {"theirs": 1}}


def test_paths_that_count_as_ours_go_back_whatever_is_there() -> None:
    way = WayBack(("spec.replicas",))
    assert way.take_back({"spec": {"replicas": 0}}, {"spec": {"replicas": 2}}, {"spec": {"replicas": 4}}) == {
        "spec": {"replicas": 0}
    }
    assert way.kept == {}


def test_strip_and_dress_are_inverse() -> None:
    live = {
        "kind": "X",
        "metadata": {"name": "x", "uid": "u", "resourceVersion": "7", "managedFields": [1], "labels": {"a": "b"}},
        "spec": {"a": 1},
        "status": {"ready": 1},
    }
    assert strip(live) == {"kind": "X", "metadata": {"name": "x", "labels": {"a": "b"}}, "spec": {"a": 1}}
    assert dress(strip(live), live) == live
    assert noted(live)["metadata"] == {"name": "x", "labels": {"a": "b"}, "uid": "u"}


def test_paths() -> None:
    assert get_path({"spec": {"a": {"b": 1}}}, "spec.a.b") == 1
    assert get_path({"spec": 3}, "spec.a.b") is None
    before = {"spec": {"a": {"c": 2}}}
    assert set_path(before, "spec.a.b", 1) == {"spec": {"a": {"c": 2, "b": 1}}}
    assert before == {"spec": {"a": {"c": 2}}}
