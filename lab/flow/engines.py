# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the engines are. They live inside the clusters; the lab routes the pod networks from the host."""

from __future__ import annotations

import json
import pathlib
import typing as t

POD: t.Final = "matching-engine-0"
NAMESPACE: t.Final = "exchange"
PORT: t.Final = 8080


class EngineError(Exception):
    """An engine was not found; the text says where it was looked for."""


def find_engine(kubeconfig: pathlib.Path, region: str) -> str:
    """URL of the region's engine: the pod's address may change with every restart, so ask right before using it."""
    # Here and not at the top: the client takes a second to import, and a flow that is told --engine needs none.
    from kubernetes import client, config  # noqa: PLC0415

    try:
        api = config.new_client_from_config(config_file=str(kubeconfig), context=region)
        text = (
            client.CoreV1Api(api).read_namespaced_pod(POD, NAMESPACE, _preload_content=False, _request_timeout=10).data
        )
    except Exception as error:
        raise EngineError(f"region {region}: pod {NAMESPACE}/{POD}: {str(error).splitlines()[0]}") from error
    address = json.loads(text).get("status", {}).get("podIP")
    if not address:
        raise EngineError(f"region {region}: pod {NAMESPACE}/{POD} has no address")
    return f"http://{address}:{PORT}"
