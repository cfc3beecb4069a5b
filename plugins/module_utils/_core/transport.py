# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to one API server. `kubernetes.client` brings kubeconfig, certificates, tokens, exec plugins and proxies."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import ssl
import tempfile
import traceback
import typing as t
import urllib.parse
from collections.abc import Mapping

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


class Transport(t.Protocol):
    """The one thing that tests replace."""

    def request(self, request: Request, timeout_s: float) -> Answer:
        """Send one request. Raises NoAnswer when there is no answer."""


class ClientTransport:
    """The pool of a configured `kubernetes.client.ApiClient`."""

    def __init__(self, client: t.Any) -> None:
        self._client = client
        self._pool = client.rest_client.pool_manager

    def request(self, request: Request, timeout_s: float) -> Answer:
        headers = {"Accept": "application/json", "User-Agent": "pincex-zero-downtime"}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        # Asked for every request: a token that an exec plugin gave may have ended.
        for setting in self._client.configuration.auth_settings().values():
            headers[setting["key"]] = setting["value"]
        url = self._client.configuration.host.rstrip("/") + request.path
        if request.query:
            url += "?" + urllib.parse.urlencode(request.query)
        try:
            answer = self._pool.request(
                request.method,
                url,
                body=request.body,
                headers=headers,
                timeout=urllib3.Timeout(connect=min(3.0, timeout_s), read=timeout_s),
                retries=False,
            )
        except urllib3.exceptions.SSLError as error:
            raise NoAnswer(str(error), timeout=False, sent=False, hopeless=True) from error
        except (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.NewConnectionError) as error:
            raise NoAnswer(_plain(error), timeout=False, sent=False) from error
        except urllib3.exceptions.ReadTimeoutError as error:
            raise NoAnswer(f"no answer within {timeout_s:.0f} s", timeout=True, sent=True) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NoAnswer(_plain(error), timeout=False, sent=True) from error
        return Answer(answer.status, answer.data, answer.headers)


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
    names = _contexts(kubeconfig, region)
    if context not in names:
        raise OptionError("context", f"{context} is not in {kubeconfig} (there are: {', '.join(names)})", region=region)
    configuration = Configuration()
    with tempfile.TemporaryDirectory(prefix="pincex-") as folder:
        try:
            kube_config.load_kube_config(
                config_file=kubeconfig, context=context, client_configuration=configuration, temp_file_path=folder
            )
            client = ApiClient(configuration)
            _settle_tls(client, configuration)
        except (ConfigException, OSError, ValueError) as error:
            raise OptionError(
                "kubeconfig", f"context {context} of {kubeconfig} is not usable: {_first_line(error)}", region=region
            ) from error
    return ClientTransport(client)


def _contexts(kubeconfig: str, region: str) -> list[str]:
    """The names of all contexts. A file without a current one is fine, because none is ever taken by itself."""
    paths = [pathlib.Path(path) for path in kubeconfig.split(os.pathsep) if path]
    if not any(path.exists() for path in paths):
        raise OptionError("kubeconfig", f"{kubeconfig} does not exist", region=region)
    try:
        merged = kube_config.KubeConfigMerger(kubeconfig).config.value
        return [str(entry.value["name"]) for entry in merged["contexts"]]
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
