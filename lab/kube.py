# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small apply, get and wait over a kubeconfig. The lab's own: it never imports the collection, whose code it tests."""

from __future__ import annotations

import collections.abc as c
import functools
import json
import pathlib
import time
import types
import typing as t
import urllib.parse

import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from lab.errors import LabError

Object = dict[str, t.Any]

#: Field manager of everything the lab installs.
MANAGER = "pincex-lab"


class Kube:
    """One cluster, by its admin kubeconfig. Not for use from several threads at once: make one for each."""

    def __init__(self, kubeconfig: pathlib.Path, context: str | None = None) -> None:
        # The server is a private address of this machine: never through a proxy that the environment names.
        settings = client.Configuration()
        config.load_kube_config(config_file=str(kubeconfig), context=context, client_configuration=settings)
        settings.proxy = None
        settings.no_proxy = "*"
        settings.retries = False
        self._api = client.ApiClient(settings)
        self._host = settings.host
        self._kinds: dict[tuple[str, str], tuple[str, bool]] = {}

    def request(
        self,
        method: str,
        path: str,
        body: t.Any = None,
        content_type: str = "application/json",
        timeout_s: float = 15,
    ) -> t.Any:
        """One call; the JSON answer, or the text where it is not JSON. Raises ApiException."""
        response = self._api.rest_client.request(
            method,
            self._host + path,
            headers={"Content-Type": content_type, "Accept": "application/json"},
            body=body,
            _request_timeout=timeout_s,
        )
        data = response.read() or b""
        if not 200 <= response.status <= 299:
            raise ApiException(http_resp=_Answer(response.status, response.reason, data))
        text = data.decode()
        return json.loads(text) if text[:1] in ("{", "[") else text

    def ready(self) -> bool:
        """Whether the API server says that it is."""
        try:
            return bool(self.request("GET", "/readyz", timeout_s=2) == "ok")
        except Exception:  # any way of not being ready is only that
            return False

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        try:
            return t.cast(Object, self.request("GET", self._path(api_version, kind, namespace, name)))
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def list(self, api_version: str, kind: str, namespace: str | None = None, labels: str = "") -> list[Object]:
        query = "?labelSelector=" + urllib.parse.quote(labels) if labels else ""
        return list(self.request("GET", self._path(api_version, kind, namespace) + query).get("items") or [])

    def apply(self, *objects: Object, timeout_s: float = 30, manager: str = MANAGER) -> None:
        """Server-side apply, in the given order. Waits for kinds whose definition was applied a moment before."""
        for obj in objects:
            what = f"apply {obj['kind']} {obj['metadata']['name']}"
            self._retry(functools.partial(self._apply, obj, manager), what, timeout_s)

    def apply_file(self, path: pathlib.Path) -> int:
        """Apply every document of a YAML file; how many there were."""
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        objects = [obj for obj in yaml.load_all(path.read_text(), Loader=loader) if obj]
        self.apply(*objects)
        return len(objects)

    def delete(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> None:
        try:
            self.request("DELETE", self._path(api_version, kind, namespace, name))
        except ApiException as error:
            if error.status != 404:
                raise

    def wait(self, what: str, check: c.Callable[[], bool], timeout_s: float, every_s: float = 0.2) -> None:
        """Until check() is true; errors of the API count as not yet."""
        last = ""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                if check():
                    return
            except Exception as error:  # told when time is up
                last = f" (last error: {str(error)[:300]})"
            time.sleep(every_s)
        raise LabError(f"{what}: not after {timeout_s:.0f} s{last}")

    def wait_condition(
        self, api_version: str, kind: str, name: str, namespace: str | None, *, condition: str, timeout_s: float
    ) -> None:
        """Until a condition of the object is True (`Ready`, `Available`, `Established`, `Accepted` ...)."""

        def check() -> bool:
            obj = self.get(api_version, kind, name, namespace) or {}
            conditions = (obj.get("status") or {}).get("conditions") or []
            return any(item.get("type") == condition and item.get("status") == "True" for item in conditions)

        self.wait(f"{kind} {name} {condition}", check, timeout_s)

    def _apply(self, obj: Object, manager: str) -> None:
        metadata = obj["metadata"]
        path = self._path(obj["apiVersion"], obj["kind"], metadata.get("namespace"), metadata["name"])
        self.request("PATCH", f"{path}?fieldManager={manager}&force=true", obj, "application/apply-patch+yaml")

    def _retry(self, call: c.Callable[[], None], what: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return call()
            except (ApiException, LookupError, OSError) as error:
                # 400, 401, 409, 413, 422: a mistake of ours, which time does not mend.
                final = isinstance(error, ApiException) and error.status in (400, 401, 409, 413, 422)
                if final or time.monotonic() >= deadline:
                    detail = f"{error.status} {error.body}" if isinstance(error, ApiException) else str(error)
                    raise LabError(f"{what}: {detail[:500]}") from error
                time.sleep(0.3)

    def _path(self, api_version: str, kind: str, namespace: str | None, name: str | None = None) -> str:
        plural, namespaced = self._kind(api_version, kind)
        parts = ["api" if "/" not in api_version else "apis", api_version]
        if namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(plural)
        if name:
            parts.append(name)
        return "/" + "/".join(parts)

    def _kind(self, api_version: str, kind: str) -> tuple[str, bool]:
        if (api_version, kind) not in self._kinds:
            root = "/api/" if "/" not in api_version else "/apis/"
            for resource in self.request("GET", root + api_version)["resources"]:
                if "/" not in resource["name"]:
                    self._kinds[(api_version, resource["kind"])] = (resource["name"], resource["namespaced"])
        try:
            return self._kinds[(api_version, kind)]
        except KeyError:
            raise LookupError(f"the server has no {kind} in {api_version}") from None


class _Answer(t.NamedTuple):
    """What ApiException reads its fields from."""

    status: int
    reason: str
    data: bytes
    # Newer clients read the field, older ones call the method.
    headers: t.Mapping[str, str] = types.MappingProxyType({})

    def getheaders(self) -> t.Mapping[str, str]:
        return self.headers
