# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to one API server. `kubernetes.client` brings kubeconfig, certificates, tokens, exec plugins and proxies."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import socket
import ssl
import tempfile
import threading
import time
import traceback
import typing as t
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError

# At the top: Ansible loads an action plugin before it forks, so the import is paid once and not in every task.
IMPORT_ERROR: str | None = None
try:
    import urllib3
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException, kube_config
except ImportError:
    IMPORT_ERROR = traceback.format_exc()

_BUFFER: t.Final = 65536
_RENEWAL_PAUSE_S: t.Final = 1.0
_TLS_ENDED: t.Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
#: Entries of a kubeconfig's user that name where a credential comes from, instead of being it.
_RENEWED: t.Final = {"tokenFile", "exec", "auth-provider"}


@dataclasses.dataclass(frozen=True)
class Request:
    """What is sent."""

    method: str
    path: str
    query: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class NoAnswer(Exception):
    """Nothing came back. `sent` says whether the server may have acted on the request."""

    def __init__(self, problem: str, *, timeout: bool, sent: bool, hopeless: bool = False) -> None:
        super().__init__(problem)
        self.timeout = timeout
        self.sent = sent
        self.hopeless = hopeless


class Stream(t.Protocol):
    """An answer that goes on. `close` may be called from another thread than the one that reads."""

    status: int
    headers: Mapping[str, str]

    def lines(self) -> Iterator[bytes]:
        """Whole lines as they come. Ends with the answer; raises NoAnswer when it breaks off or falls silent."""

    def close(self) -> None: ...


class Transport(t.Protocol):
    """The one thing that tests replace."""

    #: Whether the credential may be renewed behind our back: by a token file or an exec plugin.
    renews: bool

    def request(self, request: Request, timeout_s: float) -> Answer:
        """Send one request. Raises NoAnswer when there is no whole answer in that time."""

    def stream(self, request: Request, timeout_s: float, silence_s: float) -> Stream:
        """Send one request. Raises NoAnswer when no answer begins in that time; `silence_s` holds for what follows."""


class ClientTransport:
    """The pool of a configured `kubernetes.client.ApiClient`; threads may share it.

    The client reads a token file once and for ever. So an answer 401 makes a new client out of the kubeconfig, with
    whatever token, certificate or output of an exec plugin there is by then, and the request is sent again with it.

    `connect` gives a client, and whether something renews its credential.
    """

    def __init__(self, connect: Callable[[], tuple[t.Any, bool]]) -> None:
        self._connect = connect
        self._client, self.renews = connect()
        self._renewed_at = -_RENEWAL_PAUSE_S
        self._lock = threading.Lock()

    def request(self, request: Request, timeout_s: float) -> Answer:
        end = time.monotonic() + timeout_s
        with _mapped(timeout_s):
            answer = self._open(request, timeout_s)
            body = bytearray()
            for part in _parts(answer):
                body += part
                if time.monotonic() > end:
                    # Whoever sends a byte now and then never reaches the time-out of one read.
                    answer.close()
                    raise NoAnswer(f"no whole answer within {timeout_s:.0f} s", timeout=True, sent=True)
            return Answer(answer.status, bytes(body), answer.headers)

    def stream(self, request: Request, timeout_s: float, silence_s: float) -> Stream:
        with _mapped(timeout_s):
            return _HttpStream(self._open(request, timeout_s), silence_s)

    def _open(self, request: Request, timeout_s: float) -> t.Any:
        answer = self._send(self._client, request, timeout_s)
        if answer.status != 401 or not self._renew():
            return answer
        answer.close()
        return self._send(self._client, request, timeout_s)

    def _send(self, client: t.Any, request: Request, timeout_s: float) -> t.Any:
        headers = {"Accept": "application/json", "User-Agent": "pincex-zero-downtime"}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        with self._lock:
            # Asked for every request: a token that an exec plugin gave with its end may have ended.
            for setting in client.configuration.auth_settings().values():
                headers[setting["key"]] = setting["value"]
        url = client.configuration.host.rstrip("/") + request.path
        if request.query:
            url += "?" + urllib.parse.urlencode(request.query)
        return client.rest_client.pool_manager.request(
            request.method,
            url,
            body=request.body,
            headers=headers,
            timeout=urllib3.Timeout(connect=min(3.0, timeout_s), read=timeout_s),
            retries=False,
            preload_content=False,
        )

    def _renew(self) -> bool:
        """Read the kubeconfig again. False when that was only just done, or the file is not usable now."""
        with self._lock:
            # An exec plugin may take a second, and a credential that was revoked is refused for every request.
            if time.monotonic() < self._renewed_at + _RENEWAL_PAUSE_S:
                return False
            try:
                client, renews = self._connect()
            except Exception:
                # Half a file raises whatever PyYAML and the look into it raise; the next 401 reads it again.
                return False
            finally:
                self._renewed_at = time.monotonic()
            # An exec plugin that failed is only logged by the client, which would then ask as nobody.
            if self._client.configuration.api_key and not client.configuration.api_key:
                return False
            self._client, self.renews = client, renews
            return True


class _HttpStream:
    """The body of one answer, line by line."""

    def __init__(self, answer: t.Any, silence_s: float) -> None:
        self.status = int(answer.status)
        self.headers: Mapping[str, str] = answer.headers
        self._answer = answer
        self._silence_s = silence_s
        # None when the answer ends with its connection; then it keeps the time-out of the request.
        self._socket = getattr(answer.connection, "sock", None)
        if self._socket is not None:
            self._socket.settimeout(silence_s)

    def lines(self) -> Iterator[bytes]:
        try:
            with _mapped(self._silence_s):
                yield from split_lines(_parts(self._answer))
        finally:
            self._answer.close()

    def close(self) -> None:
        """Wakes up the thread that reads: closing what another thread reads from would wait for its time-out."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def split_lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, however the bytes are cut; what stands behind the last line end is half a line, and dropped."""
    rest = b""
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        yield from lines


def _parts(answer: t.Any) -> Iterator[bytes]:
    """The body as it comes in: `read` and `stream` of urllib3 wait until a whole buffer is full."""
    while part := answer.read1(_BUFFER):
        yield part
    answer.release_conn()


@contextlib.contextmanager
def _mapped(timeout_s: float) -> Iterator[None]:
    """What urllib3 raises, as NoAnswer."""
    try:
        yield
    except urllib3.exceptions.SSLError as error:
        # A server that is stopped ends connections in the middle of TLS; only what else is wrong with it will stay so.
        ended = bool(error.args) and isinstance(error.args[0], _TLS_ENDED)
        raise NoAnswer(str(error), timeout=False, sent=ended, hopeless=not ended) from error
    except (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.NewConnectionError) as error:
        raise NoAnswer(_plain(error), timeout=False, sent=False) from error
    except urllib3.exceptions.ReadTimeoutError as error:
        raise NoAnswer(f"no answer within {timeout_s:.0f} s", timeout=True, sent=True) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise NoAnswer(_plain(error), timeout=False, sent=True) from error


def _plain(error: Exception) -> str:
    """Without the object's address that urllib3 puts in front."""
    return str(error).rsplit(": ", maxsplit=1)[-1] or type(error).__name__


def open_transport(kubeconfig: str, context: str, region: str) -> Transport:
    """Read the kubeconfig and make its connection; nothing is sent yet.

    Raises OptionError when the file or the context is not usable.
    """
    if IMPORT_ERROR is not None:
        raise ReleaseError(
            missing_required_lib("kubernetes") + " " + IMPORT_ERROR.splitlines()[-1],
            kind="library",
            system="controller",
            region=region,
        )
    return ClientTransport(lambda: _client(kubeconfig, context, region))


def _client(kubeconfig: str, context: str, region: str) -> tuple[t.Any, bool]:
    """A client, and whether something renews its credential. The file is parsed once, which takes a while in YAML."""
    merger, entries = _entries(kubeconfig, region)
    renews = _renews(entries, kubeconfig, context, region)
    configuration = Configuration()
    with tempfile.TemporaryDirectory(prefix="pincex-") as folder:
        try:
            # As load_kube_config does it, which would read the file again.
            kube_config.KubeConfigLoader(
                merger.config,
                active_context=context,
                config_base_path=None,
                config_persister=merger.save_changes,
                temp_file_path=folder,
            ).load_and_set(configuration)
            client = ApiClient(configuration)
            _settle_tls(client, configuration)
        except (ConfigException, OSError, ValueError) as error:
            raise OptionError(
                "kubeconfig", f"context {context} of {kubeconfig} is not usable: {_first_line(error)}", region=region
            ) from error
    return client, renews


def _renews(entries: Mapping[str, list[dict[str, t.Any]]], kubeconfig: str, context: str, region: str) -> bool:
    """Whether the user of a context has a credential that something renews. Raises OptionError without that context."""
    contexts = {str(entry["name"]): entry.get("context") or {} for entry in entries["contexts"]}
    if context not in contexts:
        known = ", ".join(contexts)
        raise OptionError("context", f"{context} is not in {kubeconfig} (there are: {known})", region=region)
    users = [entry["user"] for entry in entries["users"] if entry["name"] == contexts[context].get("user")]
    return any(user and _RENEWED & user.keys() for user in users)


def _entries(kubeconfig: str, region: str) -> tuple[t.Any, dict[str, list[dict[str, t.Any]]]]:
    """The library's view of a kubeconfig, and all contexts and users in it. A file without a current context is fine,
    because none is ever taken by itself."""
    paths = [pathlib.Path(path) for path in kubeconfig.split(os.pathsep) if path]
    if not any(path.exists() for path in paths):
        raise OptionError("kubeconfig", f"{kubeconfig} does not exist", region=region)
    try:
        merger = kube_config.KubeConfigMerger(kubeconfig)
        merged = merger.config.value
        return merger, {
            "contexts": [dict(entry.value) for entry in merged["contexts"]],
            "users": [dict(entry.value) for entry in merged.get("users") or []],
        }
    except OSError as error:
        raise OptionError("kubeconfig", f"{kubeconfig} cannot be read: {error.strerror}", region=region) from error
    except Exception as error:
        # Whatever PyYAML, or the look into something that is YAML and no kubeconfig, raises.
        problem = f"{kubeconfig} is no kubeconfig: {_first_line(error)}"
        raise OptionError("kubeconfig", problem, region=region) from error


def _settle_tls(client: t.Any, configuration: t.Any) -> None:
    """Load the certificates now. A worker of Ansible ends without clean-up, and a private key must not stay in /tmp."""
    if not configuration.host.startswith("https:"):
        return
    # Older releases of the client always write a file.
    data = getattr(configuration, "ca_cert_data", None)
    # Without an authority of its own Python loads all of the system's, 0.03 s on an idle machine: once and only then.
    tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert or None, cadata=data or None)
    if not configuration.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        tls.load_cert_chain(configuration.cert_file, configuration.key_file)
    settings = client.rest_client.pool_manager.connection_pool_kw
    for name in ("cert_file", "key_file", "ca_certs", "ca_cert_data", "cert_reqs"):
        settings.pop(name, None)
    settings["ssl_context"] = tls


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
