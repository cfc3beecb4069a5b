# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file: whole or not at all, always younger, one writer at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import pathlib
import stat
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import encode
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.file_store import FileStore
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import Page, Texts
from fakes import FakeClock
from flag_samples import state_of, switch

TEXTS: t.Final = encode(state_of({"x": switch()}, 5), "pincex-test")


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "flags.flagd.json"


@pytest.fixture
def store(path: pathlib.Path) -> FileStore:
    return FileStore("backup", str(path), FakeClock(), 5.0)


def test_what_is_written_is_read(store: FileStore, path: pathlib.Path) -> None:
    assert store.read().texts == Texts()
    store.write(TEXTS, 5, store.read(), [Page(4, "four"), Page(5, "five")])
    assert store.read().texts == TEXTS and path.read_text() == TEXTS.document
    assert store.page(4) == Page(4, "four") and store.page(3) is None
    assert sorted(page.revision for page in store.history()) == [4, 5]


def test_reading_makes_no_file(store: FileStore, path: pathlib.Path) -> None:
    store.read()
    store.history()
    assert list(path.parent.iterdir()) == []


def test_the_time_of_the_file_grows_also_over_one_from_the_future(store: FileStore, path: pathlib.Path) -> None:
    """A client reads a file again when its time is later than before, and never otherwise."""
    path.write_text("old")
    future = path.stat().st_mtime_ns + 10**12
    os.utime(path, ns=(future, future))
    store.write(TEXTS, 5, store.read(), [])
    assert path.stat().st_mtime > future / 1e9
    os.utime(path, ns=(0, 0))
    store.write(TEXTS, 5, store.read(), [])
    assert path.stat().st_mtime > 1_000_000_000


def test_the_rights_of_the_file_stay(store: FileStore, path: pathlib.Path) -> None:
    path.write_text("old")
    path.chmod(0o640)
    store.write(TEXTS, 5, store.read(), [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_nothing_is_written_over_what_was_not_read(store: FileStore, path: pathlib.Path) -> None:
    old = store.read()
    path.write_text("somebody")
    with pytest.raises(ReleaseError) as caught:
        store.write(TEXTS, 5, old, [])
    assert (caught.value.kind, caught.value.retriable, path.read_text()) == ("conflict", True, "somebody")


def test_no_lower_revision_is_taken(store: FileStore) -> None:
    store.write(TEXTS, 5, store.read(), [])
    with pytest.raises(ReleaseError, match="it has revision 5, which is higher than 4") as caught:
        store.write(TEXTS, 4, store.read(), [])
    assert caught.value.kind == "lower"


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, "full"), (errno.EDQUOT, "full"), (errno.EIO, "refused")])
def test_a_full_disk_leaves_the_old_document_and_nothing_else(
    store: FileStore, path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: str
) -> None:
    store.write(TEXTS, 5, store.read(), [])
    names = sorted(path.parent.iterdir())
    held = store.read()

    def full(_file: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReleaseError) as caught:
        store.write(encode(state_of({}, 6), "pincex-test"), 6, held, [])
    assert caught.value.kind == kind and os.strerror(number) in caught.value.message
    assert store.read() == held and sorted(path.parent.iterdir()) == names


def test_the_ledger_is_first(store: FileStore, path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill that is in it counts, whatever becomes of the document."""
    order: list[str] = []
    real = pathlib.Path.replace

    def replace(self: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
        order.append(target.name)
        return real(self, target)

    monkeypatch.setattr(pathlib.Path, "replace", replace)
    store.write(TEXTS, 5, store.read(), [Page(5, "five")])
    assert order == ["5.json", "flags.flagd.json.ledger.json", "flags.flagd.json"]


def test_a_writer_waits_for_another_one_and_then_says_so(store: FileStore, path: pathlib.Path) -> None:
    held = store.read()
    other = os.open(path.with_name("flags.flagd.json.lock"), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ReleaseError, match="another process has been writing it for 5 s") as caught:
            store.write(TEXTS, 5, held, [])
        assert caught.value.kind == "conflict"
        with pytest.raises(ReleaseError, match="another process has been writing it for 5 s"):
            store.read()
    finally:
        os.close(other)
    store.write(TEXTS, 5, held, [])


def test_what_is_replaced_is_kept_beside_it(store: FileStore, path: pathlib.Path) -> None:
    store.keep(Texts("document", "ledger"), "0123456789abcdef")
    folder = path.with_name("flags.flagd.json.lost")
    assert (folder / "0123456789ab.json").read_text() == "document"
    assert (folder / "0123456789ab.ledger.json").read_text() == "ledger"


def test_a_folder_that_is_not_there_is_told(tmp_path: pathlib.Path) -> None:
    store = FileStore("backup", str(tmp_path / "none" / "flags.json"), FakeClock(), 5.0)
    held = store.read()
    with pytest.raises(ReleaseError, match=r"cannot write it: .*No such file or directory"):
        store.write(TEXTS, 5, held, [])


def test_a_file_that_is_no_text_is_told(store: FileStore, path: pathlib.Path) -> None:
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ReleaseError, match="cannot read it: it is no text in UTF-8"):
        store.read()


def test_a_path_is_absolute() -> None:
    with pytest.raises(OptionError, match=r"stores: backup: path flags\.json is not absolute"):
        FileStore("backup", "flags.json", FakeClock(), 5.0)
