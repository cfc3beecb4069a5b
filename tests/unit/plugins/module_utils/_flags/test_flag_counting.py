# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A large set is counted, decoded and written down once, however many stores have it."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import time
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags import document
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_change import next_state
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import (
    content_sha,
    decode,
    encode,
    page_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Stamp, State, Texts
from flag_samples import killed, state_of, switch


def counted(monkeypatch: pytest.MonkeyPatch, name: str, pause_s: float = 0.0) -> list[t.Any]:
    """What the function of that name is given from now on."""
    given: list[t.Any] = []
    original = getattr(document, name)

    def counting(value: t.Any) -> t.Any:
        given.append(value)
        time.sleep(pause_s)
        return original(value)

    monkeypatch.setattr(document, name, counting)
    return given


def test_the_same_definitions_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    given = counted(monkeypatch, "_compact")
    flags = {"a": switch()}
    assert content_sha(flags) == content_sha(flags)
    assert len(given) == 1
    # An equal one is another one, which may become anything.
    assert content_sha({"a": switch()}) == content_sha(flags) != content_sha({"a": switch("on")})
    assert len(given) == 3


def test_stores_that_are_read_at_the_same_time_are_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = encode(state_of({"only-here": switch()}), "the-set")
    # While one thread is in there, the others come.
    given = counted(monkeypatch, "ledger_of", pause_s=0.02)
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        reads = list(pool.map(decode, [Texts(texts.document, texts.ledger) for _ in range(5)]))
    assert len(given) == 1 and all(read is reads[0] for read in reads)


def test_the_same_state_is_written_down_once(monkeypatch: pytest.MonkeyPatch) -> None:
    state = next_state(State(), {"a": switch()}, "set", Stamp(1.0, "anna", "a test"), 0)
    given = counted(monkeypatch, "summed")
    texts, page = encode(state, "the-set"), page_of(state)
    assert encode(state, "the-set") is texts and page_of(state) is page
    assert len(given) == 2
    # An equal one is another one, and so is another set.
    assert encode(dataclasses.replace(state), "the-set") == texts != encode(state, "another-set")
    assert page_of(dataclasses.replace(state)) == page
    assert len(given) == 5


def test_with_every_flag_killed_the_stash_is_what_the_page_has(monkeypatch: pytest.MonkeyPatch) -> None:
    state = next_state(State(), {"a": switch(), "b": switch()}, "set", Stamp(1.0, "anna", "a test"), 0)
    dead = dataclasses.replace(state, kills=killed("a", "b"))
    given = counted(monkeypatch, "pack")
    page_of(state)
    assert decode(encode(dead, "the-set")).state == dead
    assert sum(one == state.flags for one in given) == 1
    # One of them is all that is kept of two, where only that one is killed.
    encode(dataclasses.replace(state, kills=killed("a")), "the-set")
    assert {"a": state.flags["a"]} in given
    assert sum(one == state.flags for one in given) == 1
