# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real OpenFeature client with flagd's provider in its file mode: what it makes of a document."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.metadata
import logging
import os
import pathlib
import tempfile
import threading
import typing as t
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_share import ERROR, OWN_DEFAULT, Kind

#: The generation of the hash that `decide_buckets` has, and flagd 0.16 and the JavaScript core 4.0.
_PINS: t.Final = "openfeature-provider-flagd==0.5.2 openfeature-flagd-core==1.0.0"
_CORE: t.Final = "openfeature-flagd-core"
_GENERATION: t.Final = "1"

#: Of OpenFeature's registry, where the process may have a provider of its own.
_DOMAIN: t.Final = "pincex.zero_downtime.flag_set"
#: So often the provider looks at its file; its thread ends with the next look.
_LOOK_MS: t.Final = 20
#: Its look, and the provider's end, which the registry leaves to a thread as well.
_THREADS: t.Final = ("FlagdFileWatcherWorkerThread", "_shutdown_provider")
_THREAD_END_S: t.Final = 5.0

#: One after the other: domain, level of the log and threads belong to the process.
_TURN: t.Final = threading.Lock()

_DEFAULTS: t.Final[dict[Kind, t.Any]] = {"boolean": True, "string": "", "float": 0.0, "object": {}}


@dataclasses.dataclass(frozen=True)
class Question:
    """A flag, how a client asks for it, and how many users do."""

    flag: str
    kind: Kind
    users: int


class Evaluator:
    """`load` imports a module, `version` tells that of an installed package. Every error is a ReleaseError of kind
    `library` without the client, or `not_proved` when the client refuses the document."""

    def __init__(
        self,
        load: Callable[[str], t.Any] = importlib.import_module,
        version: Callable[[str], str] = importlib.metadata.version,
    ) -> None:
        self._load = load
        self._version = version

    def check(self) -> None:
        """Raise when the client is missing, or is of another generation."""
        try:
            found = self._version(_CORE)
            if found.partition(".")[0] != _GENERATION:
                raise self._missing(f"{_CORE} {found} hashes users otherwise than this collection")
            self._modules()
        except ReleaseError:
            raise
        except ImportError as error:
            raise self._missing("the OpenFeature client is missing on the controller") from error
        except Exception as error:
            raise self._missing(f"the OpenFeature client cannot be loaded: {error}") from error

    def ask(
        self, document: str, questions: Sequence[Question], goes_on: Callable[[], bool] = lambda: True
    ) -> dict[str, Counter[str]]:
        """How many users get which variant, by flag. The users are `user-0`, `user-1` and so on, with nothing but that
        key. Flags for which `goes_on` is false have no answer."""
        self.check()
        context = self._modules()[-1].EvaluationContext
        answers: dict[str, Counter[str]] = {}
        try:
            with _TURN, self._client(document) as client:
                for one in questions:
                    if not goes_on():
                        break
                    get, default = getattr(client, f"get_{one.kind}_details"), _DEFAULTS[one.kind]
                    found = (get(one.flag, default, context(f"user-{user}")) for user in range(one.users))
                    answers[one.flag] = Counter(map(_variant, found))
        except Exception as error:
            problem = f"the OpenFeature client cannot use the document: {_innermost(error)}"
            raise ReleaseError(problem, kind="not_proved", system="client") from error
        return answers

    def _modules(self) -> Sequence[t.Any]:
        names = ("api", "contrib.provider.flagd", "contrib.provider.flagd.config", "evaluation_context")
        return [self._load(f"openfeature.{name}") for name in names]

    @contextlib.contextmanager
    def _client(self, document: str) -> Iterator[t.Any]:
        """A client of the document. Nothing of it is left: no thread, no file, no provider, no line in the log."""
        api, flagd, config, _context = self._modules()
        before = set(threading.enumerate())
        with _quiet(), tempfile.TemporaryDirectory(prefix="pincex-flags-") as folder:
            path = pathlib.Path(folder) / "flags.flagd.json"
            path.write_text(document, encoding="utf-8")
            # Its thread reads a file again whose time is later than 0, also while it is read for the first time.
            os.utime(path, (0, 0))
            provider = flagd.FlagdProvider(
                resolver_type=config.ResolverType.FILE, offline_flag_source_path=str(path), deadline_ms=_LOOK_MS
            )
            try:
                api.set_provider_and_wait(provider, _DOMAIN)
                yield api.get_client(_DOMAIN)
            finally:
                # The domain gets what it would have had without us, and the provider its end.
                api.set_provider(api.get_client().provider, _DOMAIN)
                for thread in set(threading.enumerate()) - before:
                    if any(name in thread.name for name in _THREADS):
                        thread.join(_THREAD_END_S)

    @staticmethod
    def _missing(problem: str) -> ReleaseError:
        return ReleaseError(
            f"{problem}; install {_PINS}, or set evaluate: {{users: 0}} to go without its proof",
            kind="library",
            system="controller",
        )


def _variant(details: t.Any) -> str:
    if details.error_code is not None:
        return ERROR
    return OWN_DEFAULT if details.variant is None else str(details.variant)


def _innermost(error: BaseException) -> str:
    """Its first cause: a provider only says that it is not ready."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(getattr(error, "error_message", None) or error) or type(error).__name__


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without a line for each user whose answer is an error: that is counted."""
    log = logging.getLogger("openfeature")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(level)
