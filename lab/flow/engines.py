# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the engines are. They live inside the clusters; the lab routes the pod networks from the host."""

from __future__ import annotations

import json
import pathlib
import typing as t

RECORD: t.Final = "matching-engine-epoch"
NAMESPACE: t.Final = "exchange"
PORT: t.Final = 8080


class EngineError(Exception):
    """An engine was not found; the text says where it was looked for."""


def find_engine(kubeconfig: pathlib.Path, region: str) -> str:
    """URL of the engine that the region's epoch record names. It changes with a handover, and the pod's address with
    every restart: ask right before using it."""
    # Here and not at the top: the client takes a second to import, and a flow that is told --engine needs none.
    from kubernetes import client, config  # noqa: PLC0415

    what = f"ConfigMap {NAMESPACE}/{RECORD}"
    raw: dict[str, t.Any] = {"_preload_content": False, "_request_timeout": 10}
    try:
        api = client.CoreV1Api(config.new_client_from_config(config_file=str(kubeconfig), context=region))
        record = json.loads(api.read_namespaced_config_map(RECORD, NAMESPACE, **raw).data)
        owner = json.loads(record["data"]["record"])["owner"]
        what = f"pod {NAMESPACE}/{owner}-0"
        pod = json.loads(api.read_namespaced_pod(f"{owner}-0", NAMESPACE, **raw).data)
    except (KeyError, TypeError, ValueError) as error:
        raise EngineError(f"region {region}: {what} is not an epoch record: {error}") from error
    except Exception as error:
        raise EngineError(f"region {region}: {what}: {str(error).splitlines()[0]}") from error
    address = pod.get("status", {}).get("podIP")
    if not address:
        raise EngineError(f"region {region}: {what} has no address")
    return f"http://{address}:{PORT}"
