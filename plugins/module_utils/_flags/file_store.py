# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flag set in a file of the controller: the backup for the day on which everything else is gone, and what flagd's
file sync reads. Beside it are its ledger, its history and the content that lost a conflict."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.files import put
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import decode, texts_sha
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import (
    KEPT_REVISIONS,
    Held,
    Page,
    Texts,
)

_POLL_S: t.Final = 0.05
_MAKE: t.Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
_FULL: t.Final = (errno.ENOSPC, errno.EDQUOT)
#: A client that watches a file reads it again only when its time has grown; some compare it as a floating number.
_LATER_NS: t.Final = 1_000_000


class FileStore:
    """`path` is the document. The folder has to exist. `patience_s` is for the lock that writers take turns by."""

    kind: t.Final = "file"

    def __init__(self, name: str, path: str, clock: Clock, patience_s: float) -> None:
        self.name = name
        self._path = pathlib.Path(path)
        self._ledger = self._beside("ledger.json")
        self._history = self._beside("history")
        self._lost = self._beside("lost")
        self._lock = self._beside("lock")
        self._clock = clock
        self._patience_s = patience_s
        if not self._path.is_absolute():
            raise OptionError("stores", f"{name}: path {path} is not absolute")

    @classmethod
    def from_options(cls, options: Mapping[str, t.Any], clock: Clock, patience_s: float) -> FileStore:
        return cls(options["name"], options["path"], clock, patience_s)

    def read(self) -> Held:
        """Between two writes: what is read in the middle of one would look like an edit."""
        with self._failing("read"):
            try:
                file = os.open(self._lock, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                # Nobody has ever written it from here.
                return self._held()
            with self._turn(file, fcntl.LOCK_SH):
                return self._held()

    def write(self, texts: Texts, revision: int, replacing: Held, pages: Sequence[Page]) -> None:
        """The ledger comes first: a kill that is in it counts, whatever becomes of the document. A process that is
        killed in between leaves a document that does not fit its ledger, which the next run repairs."""
        with self._failing("write"), self._turn(os.open(self._lock, _MAKE, 0o600), fcntl.LOCK_EX):
            held = self._held()
            if held.tag != replacing.tag:
                raise self._error("conflict", "somebody else has written it in between", retriable=True)
            there = decode(held.texts).state
            if there is not None and there.revision > revision:
                raise self._error("lower", f"it has revision {there.revision}, which is higher than {revision}")
            for page in pages:
                self._put(self._page(page.revision), page.text)
                self._page(page.revision - KEPT_REVISIONS).unlink(missing_ok=True)
            self._put(self._ledger, texts.ledger)
            self._put(self._path, texts.document)

    def keep(self, texts: Texts, digest: str) -> None:
        with self._failing("keep what is replaced in"):
            self._put(self._lost / f"{digest[:12]}.json", texts.document)
            self._put(self._lost / f"{digest[:12]}.ledger.json", texts.ledger)

    def page(self, revision: int) -> Page | None:
        with self._failing("read the history of"):
            text = _text(self._page(revision))
        return Page(revision, text) if text else None

    def history(self) -> list[Page]:
        with self._failing("read the history of"):
            paths = [path for path in self._history.glob("*.json") if path.stem.isdigit()]
            return [Page(int(path.stem), _text(path)) for path in paths]

    def _held(self) -> Held:
        texts = Texts(_text(self._path), _text(self._ledger))
        return Held(texts, texts_sha(texts))

    def _beside(self, what: str) -> pathlib.Path:
        return self._path.with_name(f"{self._path.name}.{what}")

    def _page(self, revision: int) -> pathlib.Path:
        return self._history / f"{revision}.json"

    def _put(self, path: pathlib.Path, text: str) -> None:
        """Whole or not at all, and its time always grows."""
        path.parent.mkdir(exist_ok=True)
        put(path, text.encode(), _LATER_NS)

    @contextlib.contextmanager
    def _turn(self, file: int, how: int) -> Iterator[None]:
        """One writer at a time. The kernel ends the turn of a process that ends."""
        end = self._clock.monotonic() + self._patience_s
        try:
            while True:
                try:
                    fcntl.flock(file, how | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if self._clock.monotonic() >= end:
                        problem = f"another process has been writing it for {self._patience_s:g} s"
                        raise self._error("conflict", problem, retriable=True) from error
                self._clock.sleep(_POLL_S)
            yield
        finally:
            os.close(file)

    @contextlib.contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._error("full" if error.errno in _FULL else "refused", f"cannot {what} it: {error}") from error
        except UnicodeDecodeError as error:
            raise self._error("refused", f"cannot {what} it: it is no text in UTF-8") from error

    def _error(self, kind: str, problem: str, retriable: bool = False) -> ReleaseError:
        return ReleaseError(f"{self.name}: {self._path}: {problem}", kind=kind, system="file", retriable=retriable)


def _text(path: pathlib.Path) -> str:
    """The content; nothing where there is no file."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
