# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flag set in a ConfigMap, which pods mount as a folder and flagd's file sync reads. Written by compare-and-swap on
its resourceVersion; the history is immutable ConfigMaps, one for each revision."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import kube as kube_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    ApiError,
    OptionError,
    ReleaseError,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import STRATEGIC_PATCH, KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_room import LARGEST_MAP, size
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import decode
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import (
    KEPT_REVISIONS,
    Held,
    Page,
    Texts,
)

#: The key that pods find as a file in the folder they mount. A mount by subPath never sees a change.
DOCUMENT_KEY: t.Final = "flags.flagd.json"
_LEDGER_KEY: t.Final = "ledger.json"
_PAGE_KEY: t.Final = "page.json"
#: On the pages of a history; its value is the name of the ConfigMap that they belong to.
_HISTORY_LABEL: t.Final = "pincex.io/flag-history"
_LOST_LABEL: t.Final = "pincex.io/flag-lost"
_MANAGED: t.Final = {"app.kubernetes.io/managed-by": "pincex-zero-downtime"}


class ConfigMapStore:
    """`map_name` is the ConfigMap; the names of the others begin with it. `link` connects when it is first needed: a
    cluster whose kubeconfig cannot be read is away, and holds no kill in the others up."""

    kind: t.Final = "configmap"

    def __init__(self, name: str, link: Callable[[], KubeApi], namespace: str, map_name: str) -> None:
        self.name = name
        self._link = link
        self._opened: KubeApi | None = None
        self._namespace = namespace
        self._map = map_name

    @classmethod
    def from_options(cls, options: Mapping[str, t.Any], clock: Clock, patience_s: float) -> ConfigMapStore:
        """`kubeconfig`, `context`, `namespace` and `config_map`. Nothing is asked yet."""

        def link() -> KubeApi:
            kube = kube_module.connect(options["kubeconfig"], options["context"], options["name"], clock)
            kube.unreachable_s = patience_s
            return kube

        return cls(options["name"], link, options["namespace"], options["config_map"])

    def read(self) -> Held:
        found = self._kube.get(self._ref(self._map))
        data = (found or {}).get("data") or {}
        texts = Texts(str(data.get(DOCUMENT_KEY, "")), str(data.get(_LEDGER_KEY, "")))
        return Held(texts, str(found["metadata"]["resourceVersion"]) if found is not None else "")

    def write(self, texts: Texts, revision: int, replacing: Held, pages: Sequence[Page]) -> None:
        """What is replaced was read, so a higher revision is seen in it. The page of the revision before is there
        before its content goes: whoever wrote it may have been killed in between."""
        there = decode(replacing.texts).state
        if there is not None and there.revision > revision:
            raise ReleaseError(
                f"{self.name}: it has revision {there.revision}, which is higher than {revision}",
                kind="lower",
                system="kubernetes",
                region=self.name,
            )
        self._must_fit(texts)
        for page in pages:
            if page.revision != revision:
                self._turn_page(page, there=True)
        data = {DOCUMENT_KEY: texts.document, _LEDGER_KEY: texts.ledger}
        if replacing.tag:
            swap = {"metadata": {"resourceVersion": replacing.tag}, "data": data}
            self._kube.patch(self._ref(self._map), swap, content_type=STRATEGIC_PATCH)
        else:
            self._create(self._map, data, {})
        for page in pages:
            if page.revision == revision:
                self._turn_page(page, there=False)
                if revision > KEPT_REVISIONS:
                    self._kube.delete(self._ref(self._page_name(revision - KEPT_REVISIONS)))

    def keep(self, texts: Texts, digest: str) -> None:
        data = {DOCUMENT_KEY: texts.document, _LEDGER_KEY: texts.ledger}
        self._create_once(f"{self._map}-lost-{digest[:12]}", data, {_LOST_LABEL: self._map})

    def page(self, revision: int) -> Page | None:
        found = self._kube.get(self._ref(self._page_name(revision)))
        return _page_of(found) if found is not None else None

    def history(self) -> list[Page]:
        labels = f"{_HISTORY_LABEL}={self._map}"
        pages = [_page_of(found) for found in self._kube.list("v1", "ConfigMap", self._namespace, labels)]
        return [page for page in pages if page is not None]

    @property
    def _kube(self) -> KubeApi:
        if self._opened is None:
            self._opened = self._link()
        return self._opened

    def _must_fit(self, texts: Texts) -> None:
        """The API server would say so as well, and not what to do."""
        if size(texts) > LARGEST_MAP:
            raise ReleaseError(
                f"{self.name}: document and ledger have {size(texts)} bytes, and a ConfigMap takes {LARGEST_MAP}; it "
                "was not written. Remove stale flags, or split the set",
                kind="full",
                system="kubernetes",
                region=self.name,
            )

    def _turn_page(self, page: Page, *, there: bool) -> None:
        """`there`: it should be there already, and is looked for before it is sent."""
        name, data = self._page_name(page.revision), {_PAGE_KEY: page.text}
        found = self._kube.get(self._ref(name)) if there else None
        if found is None:
            if self._create_once(name, data, {_HISTORY_LABEL: self._map}):
                return
            found = self._kube.get(self._ref(name))
        if found is not None and found.get("data") != data:
            # Of another past, from before the cluster or a store came back from a backup.
            self._kube.delete(self._ref(name), uid=str(found["metadata"]["uid"]))
            self._create_once(name, data, {_HISTORY_LABEL: self._map})

    def _page_name(self, revision: int) -> str:
        return f"{self._map}-rev-{revision}"

    def _create_once(self, name: str, data: Mapping[str, str], labels: Mapping[str, str]) -> bool:
        """An immutable one. False for one that is there, made by somebody who was killed since or is at it too."""
        try:
            self._create(name, data, labels, immutable=True)
        except ApiError as error:
            if error.kind != "conflict":
                raise
            return False
        return True

    def _create(
        self, name: str, data: Mapping[str, str], labels: Mapping[str, str], immutable: bool = False
    ) -> JsonObject:
        meta = {"name": name, "namespace": self._namespace, "labels": {**_MANAGED, **labels}}
        obj: JsonObject = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": dict(data)}
        try:
            return self._kube.create({**obj, "immutable": True} if immutable else obj)
        except ApiError as error:
            if error.kind == "not_found":
                problem = f"{self.name}: there is no namespace {self._namespace}"
                raise OptionError("stores", problem, region=self.name) from error
            raise

    def _ref(self, name: str) -> Ref:
        return Ref("v1", "ConfigMap", name, self._namespace)


def _page_of(obj: JsonObject) -> Page | None:
    """A page out of its ConfigMap; its number is the end of the name."""
    number = str(obj["metadata"]["name"]).rpartition("-")[2]
    text = (obj.get("data") or {}).get(_PAGE_KEY)
    return Page(int(number), str(text)) if number.isdigit() and text else None
