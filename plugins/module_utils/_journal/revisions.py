# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The revisions of an environment: a counter in the fleet's namespace, and for each number an immutable ConfigMap with
its header, after those with its document.

A document has the size that it has, and a ConfigMap takes 1 MiB. So the packed document is cut into shards, which are
written first: where there is a header there is a whole document.
"""

from __future__ import annotations

import hashlib
import json
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import BROKEN, pack, unpack
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.references import is_config
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.seal import (
    check_schema,
    check_seal,
    edited,
    seal,
    unusable,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.store import Data, Store

COUNTER_NAME: t.Final = "pincex-release-revisions"
REVISION_LABEL: t.Final = "pincex.io/revision"
SHARD_LABEL: t.Final = "pincex.io/revision-shard"
#: Set by people: labels are what may still be changed of an immutable ConfigMap.
PINNED_LABEL: t.Final = "pincex.io/pinned"
_MANAGED: t.Final = {"app.kubernetes.io/managed-by": "pincex-zero-downtime"}

#: Characters of a packed document in one ConfigMap; what stands around them stays below 10 kB.
_SHARD: t.Final = 890_000
#: What a header holds for the store itself.
_OWN_FIELDS: t.Final = ("checksum", "document")


def next_number(kube: KubeApi, namespace: str) -> int:
    """Take the next number, by compare-and-swap. It stays used, whatever becomes of the release."""
    taken = 0

    def count(data: Data) -> Data:
        nonlocal taken
        taken = int(data.get("counter", "0")) + 1
        return {**data, "counter": str(taken)}

    Store(kube, namespace, COUNTER_NAME, _MANAGED).change(count)
    return taken


class Revisions:
    """The revisions that one cluster keeps."""

    def __init__(self, kube: KubeApi, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace

    def headers(self) -> list[JsonObject]:
        """What is kept, oldest first, each with whether it is `pinned`.

        Raises ReleaseError (`journal`) for what a newer version of the collection wrote.
        """
        found = []
        for obj in self._kube.list("v1", "ConfigMap", self._namespace, REVISION_LABEL):
            header = self._header_of(obj)
            check_schema(header, self._kube.region, f"revision {header['number']}")
            told = {name: value for name, value in header.items() if name not in _OWN_FIELDS}
            found.append({**told, "pinned": obj["metadata"]["labels"].get(PINNED_LABEL) == "true"})
        return sorted(found, key=lambda header: int(header["number"]))

    def read(self, number: int) -> JsonObject | None:
        """The document of one revision; None when it is not kept here.

        Raises ReleaseError (`journal`) when it is not whole, or not as it was recorded.
        """
        obj = self._kube.get(self._ref(number))
        if obj is None:
            return None
        header, what = self._header_of(obj), f"revision {number}"
        check_seal(header, self._kube.region, what)
        if "document" not in header:
            # Before there were seals a document stood beside its header.
            text = obj["data"].get("document")
            return None if text is None else self._unpacked(text, what)
        shards = int(header["document"]["shards"])
        texts = []
        for index in range(1, shards + 1):
            shard = self._kube.get(self._shard_ref(number, index))
            if shard is None:
                raise unusable(
                    self._kube.region,
                    f"{what} lacks part {index} of {shards} of its document, so it is not used; go to another one",
                )
            texts.append((shard.get("data") or {}).get("document", ""))
        packed = "".join(texts)
        if _sha256(packed) != header["document"]["sha256"]:
            raise edited(self._kube.region, what)
        return self._unpacked(packed, what)

    def record(self, header: JsonObject, document: JsonObject | None) -> None:
        """Write a revision once. Writing the same release again is no error, because an answer may have been lost."""
        number = int(header["number"])
        if self._is_recorded(header):
            return
        content = dict(header)
        if document is not None:
            packed = pack(document)
            texts = [packed[start : start + _SHARD] for start in range(0, len(packed), _SHARD)]
            content["document"] = {"shards": len(texts), "sha256": _sha256(packed)}
            objects = document.get("objects") or []
            content["configs"] = sorted(obj["metadata"]["name"] for obj in objects if is_config(obj))
            self._write_shards(number, texts)
        data = {"header": json.dumps(seal(content), sort_keys=True)}
        try:
            self._kube.create(_immutable(self._ref(number), {REVISION_LABEL: str(number)}, data))
        except ApiError as error:
            if error.kind != "conflict" or not self._is_recorded(header):
                raise

    def remove(self, number: int) -> None:
        """Remove a revision: its header first, so that a document is never taken for whole that is not."""
        self._kube.delete(self._ref(number))
        self._remove_shards(f"{SHARD_LABEL}={number}")

    def forget(self, release_id: str) -> None:
        """Remove what this release has recorded. What cannot be read is none of it, and stays for whoever reads it."""
        for obj in self._kube.list("v1", "ConfigMap", self._namespace, REVISION_LABEL):
            try:
                header = self._header_of(obj)
            except ReleaseError:
                continue
            if header.get("id") == release_id:
                self.remove(int(header["number"]))

    def sweep(self) -> None:
        """Remove what recordings and removals that were killed have left: shards of revisions without a header."""
        others = "".join(f",{SHARD_LABEL}!={header['number']}" for header in self.headers())
        self._remove_shards(f"{SHARD_LABEL}{others}")

    def _is_recorded(self, header: JsonObject) -> bool:
        """Whether this release has recorded its revision. Raises ReleaseError when another one has taken the number."""
        obj = self._kube.get(self._ref(int(header["number"])))
        if obj is None:
            return False
        there = self._header_of(obj).get("id")
        if there != header["id"]:
            raise ReleaseError(
                f"{self._kube.region}: revision {header['number']} is recorded already, by {there}",
                kind="conflict",
                system="journal",
                region=self._kube.region,
            )
        return True

    def _write_shards(self, number: int, texts: list[str]) -> None:
        """Write the document. What a killed recording of the same number left is no part of it, and goes first."""
        swept = False
        index = 0
        while index < len(texts):
            ref = self._shard_ref(number, index + 1)
            data = {"document": texts[index]}
            try:
                self._kube.create(_immutable(ref, {SHARD_LABEL: str(number)}, data))
            except ApiError as error:
                if error.kind != "conflict":
                    raise
                if (self._kube.get(ref) or {}).get("data") != data:
                    if swept:
                        raise
                    self._remove_shards(f"{SHARD_LABEL}={number}")
                    swept, index = True, 0
                    continue
            index += 1

    def _remove_shards(self, selector: str) -> None:
        for obj in self._kube.list("v1", "ConfigMap", self._namespace, selector):
            self._kube.delete(Ref.of(obj), uid=obj["metadata"]["uid"])

    def _unpacked(self, text: str, what: str) -> JsonObject:
        try:
            return dict(unpack(text))
        except BROKEN as error:
            raise edited(self._kube.region, what) from error

    def _header_of(self, obj: JsonObject) -> JsonObject:
        try:
            header = t.cast("JsonObject", json.loads(obj["data"]["header"]))
            int(header["number"])
        except (KeyError, TypeError, ValueError) as error:
            name = obj["metadata"]["name"]
            raise unusable(self._kube.region, f"ConfigMap {name} holds no header of a revision; remove it") from error
        return header

    def _ref(self, number: int) -> Ref:
        return Ref("v1", "ConfigMap", f"pincex-revision-{number}", self._namespace)

    def _shard_ref(self, number: int, index: int) -> Ref:
        return Ref("v1", "ConfigMap", f"pincex-revision-{number}-{index}", self._namespace)


def _immutable(ref: Ref, labels: dict[str, str], data: Data) -> JsonObject:
    meta = {"name": ref.name, "namespace": ref.namespace, "labels": {**labels, **_MANAGED}}
    return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": meta, "immutable": True, "data": data}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
