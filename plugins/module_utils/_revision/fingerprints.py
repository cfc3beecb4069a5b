# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of a revision: by name and keyed hash, so that a rotation is seen and nothing can be read out of it.

The key is the Secret `pincex-release-key` of the namespace. Reading Secrets is a right that a release does not need: it
is for the operator to give it and to make the key. Without either only the names are recorded.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import typing as t
from collections.abc import Iterable

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref

JsonObject = dict[str, t.Any]

KEY_NAME: t.Final = "pincex-release-key"
#: Bytes. With a shorter key the hash of a password could be looked for.
_SHORTEST_KEY: t.Final = 16


def fingerprints(kube: KubeApi, namespace: str, names: Iterable[str]) -> list[JsonObject]:
    """`name` and `hash` of each Secret; the hash is None where it cannot be made."""
    wanted = sorted(set(names))
    key = _key(kube, namespace) if wanted else None
    return [{"name": name, "hash": _hash(kube, namespace, name, key) if key else None} for name in wanted]


def _key(kube: KubeApi, namespace: str) -> bytes | None:
    key = base64.b64decode((_data(kube, namespace, KEY_NAME) or {}).get("key", ""))
    return key if len(key) >= _SHORTEST_KEY else None


def _hash(kube: KubeApi, namespace: str, name: str, key: bytes) -> str | None:
    data = _data(kube, namespace, name)
    if data is None:
        return None
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _data(kube: KubeApi, namespace: str, name: str) -> dict[str, str] | None:
    """What a Secret holds; None when it is not there or not for us to read."""
    try:
        obj = kube.get(Ref("v1", "Secret", name, namespace))
    except ApiError as error:
        if error.kind != "forbidden":
            raise
        return None
    return None if obj is None else dict(obj.get("data") or {})
