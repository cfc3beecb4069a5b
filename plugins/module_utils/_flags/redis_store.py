# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flag set in Redis, from which a change reaches clients in milliseconds.

One script looks at what is there, writes document, ledger, revision and history, and publishes, all in one step: no
client ever sees a part of it. The keys share a hash tag, so that a cluster has them in one place.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.redis_link import (
    Commands,
    connect,
    link_of,
    trouble,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import (
    KEPT_REVISIONS,
    Held,
    Page,
    Texts,
)

#: KEYS: document, ledger, revision, history. ARGV: the tag of what is replaced, the revision, document, ledger, the
#: channel, the number of the page that goes, and number and text of each page that comes. It publishes first: nobody
#: hears it before the script is through, and a user who may not publish writes nothing that no client would hear of.
_WRITE: t.Final = """
local document, ledger = redis.call('GET', KEYS[1]) or '', redis.call('GET', KEYS[2]) or ''
local revision = tonumber(redis.call('GET', KEYS[3]) or '0') or 0
if redis.sha1hex(document .. '\\n' .. ledger) ~= ARGV[1] then return {'changed', tostring(revision)} end
if revision > tonumber(ARGV[2]) then return {'lower', tostring(revision)} end
redis.call('PUBLISH', ARGV[5], ARGV[2])
for i = 7, #ARGV, 2 do redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 1]) end
redis.call('HDEL', KEYS[4], ARGV[6])
redis.call('SET', KEYS[1], ARGV[3])
redis.call('SET', KEYS[2], ARGV[4])
redis.call('SET', KEYS[3], ARGV[2])
return {'written', ARGV[2]}
"""


class RedisStore:
    """`link` opens a connection that answers in bytes, when it is first needed. Clients read `{PREFIX}:document` and
    listen on the channel `{PREFIX}:changed`, where each write says its revision; the braces are part of the names."""

    kind: t.Final = "redis"

    def __init__(self, name: str, link: Callable[[], Commands], prefix: str) -> None:
        self.name = name
        self._link = link
        self._opened: Commands | None = None
        tag = f"{{{prefix}}}"
        self._document, self._ledger, self._revision = (f"{tag}:{part}" for part in ("document", "ledger", "revision"))
        self._history, self._lost, self._channel = (f"{tag}:{part}" for part in ("history", "lost", "changed"))

    @classmethod
    def from_options(cls, options: Mapping[str, t.Any], _clock: Clock, patience_s: float) -> RedisStore:
        """Nothing is asked yet. Raises OptionError."""
        return cls(
            options["name"], functools.partial(connect, link_of("stores", options), patience_s), options["prefix"]
        )

    def read(self) -> Held:
        """Both texts by one command, so that they belong together."""
        with self._failing("read"):
            document, ledger = self._commands.mget([self._document, self._ledger])
            return _held(document or b"", ledger or b"")

    def write(self, texts: Texts, revision: int, replacing: Held, pages: Sequence[Page]) -> None:
        keys = [self._document, self._ledger, self._revision, self._history]
        oldest = max((page.revision for page in pages), default=0) - KEPT_REVISIONS
        arguments: list[str] = [replacing.tag, str(revision), texts.document, texts.ledger, self._channel, str(oldest)]
        for page in pages:
            arguments += [str(page.revision), page.text]
        with self._failing("write"):
            word, number = self._commands.eval(_WRITE, len(keys), *keys, *arguments)
        if word == b"lower":
            raise self._error("lower", f"it has revision {number.decode()}, which is higher than {revision}")
        if word == b"changed":
            raise self._error("conflict", "somebody else has written it in between", retriable=True)

    def keep(self, texts: Texts, digest: str) -> None:
        with self._failing("keep what is replaced in"):
            self._commands.hset(self._lost, mapping={digest: texts.document, f"{digest}:ledger": texts.ledger})

    def page(self, revision: int) -> Page | None:
        with self._failing("read the history of"):
            text = self._commands.hget(self._history, str(revision))
            return Page(revision, text.decode()) if text is not None else None

    def history(self) -> list[Page]:
        with self._failing("read the history of"):
            found = self._commands.hgetall(self._history)
            return [Page(int(number), text.decode()) for number, text in found.items() if number.isdigit()]

    @property
    def _commands(self) -> Commands:
        if self._opened is None:
            self._opened = self._link()
        return self._opened

    @contextlib.contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except ReleaseError:
            raise
        except UnicodeDecodeError as error:
            raise self._error("refused", f"cannot {what} it: it is no text in UTF-8") from error
        except Exception as error:
            kind, why = trouble(error)
            retriable = kind in ("unreachable", "timeout")
            raise self._error(kind, f"cannot {what} it: {why}", retriable=retriable) from error

    def _error(self, kind: str, problem: str, retriable: bool = False) -> ReleaseError:
        return ReleaseError(f"{self.name}: {problem}", kind=kind, system="redis", retriable=retriable)


def _held(document: bytes, ledger: bytes) -> Held:
    """The tag is what the script computes."""
    tag = hashlib.sha1(document + b"\n" + ledger, usedforsecurity=False).hexdigest()
    return Held(Texts(document.decode(), ledger.decode()), tag)
