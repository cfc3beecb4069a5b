# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service is told by its environment."""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

SERVICES: t.Final = ("core-api", "reference-data", "matching-engine")
VERSIONS: t.Final = ("v1", "v2", "v3", "v4", "v5", "v6")


class SettingsError(ValueError):
    """A setting is missing or wrong; the text names the environment variable."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """One service process. The URLs are empty where the service asks nobody."""

    service: str
    version: str = "v1"
    slot: str = "none"
    region: str = "none"
    port: int = 8080
    linger_s: float = 3.0
    order_deadline_s: float = 10.0
    reference_deadline_s: float = 8.0
    engine_url: str = ""
    reference_url: str = ""
    reference_host: str = ""
    data: pathlib.Path = pathlib.Path("/data")
    #: Whether a fresh journal of the engine begins with deposits.
    opening_balances: bool = True


def _number(env: t.Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(f"{name}={text}: not a number") from None
    if not 0 <= value < 86400 * 365:
        raise SettingsError(f"{name}={text}: not a sensible number")
    return value


def _engine_url(env: t.Mapping[str, str]) -> str:
    """The lab has no cluster DNS; Kubernetes itself tells every pod the addresses of its namespace's Services."""
    if env.get("ENGINE_URL"):
        return env["ENGINE_URL"]
    host = env.get("MATCHING_ENGINE_SERVICE_HOST", "")
    return f"http://{host}:{env.get('MATCHING_ENGINE_SERVICE_PORT') or '8080'}" if host else ""


def read_settings(env: t.Mapping[str, str], service: str = "") -> Settings:
    """Settings of `service`, or of the one that PINCEX_SERVICE names."""
    service = service or env.get("PINCEX_SERVICE", "")
    if service not in SERVICES:
        raise SettingsError(f"PINCEX_SERVICE={service}: use one of {', '.join(SERVICES)}")
    version = env.get("PINCEX_VERSION", "") or "v1"
    if version not in VERSIONS:
        raise SettingsError(f"PINCEX_VERSION={version}: use one of {', '.join(VERSIONS)}")
    settings = Settings(
        service=service,
        version=version,
        slot=env.get("PINCEX_SLOT", "") or "none",
        region=env.get("PINCEX_REGION", "") or "none",
        port=int(_number(env, "PORT", 8080)),
        # The engine has one replica: lingering would only make its restart longer.
        linger_s=_number(env, "LINGER_S", 0 if service == "matching-engine" else 3),
        order_deadline_s=_number(env, "ORDER_DEADLINE_S", 10),
        reference_deadline_s=_number(env, "REFERENCE_DATA_DEADLINE_S", 8),
        engine_url=_engine_url(env),
        reference_url=env.get("REFERENCE_DATA_URL", ""),
        reference_host=env.get("REFERENCE_DATA_HOST", ""),
        data=pathlib.Path(env.get("DATA_DIR", "") or "/data"),
        opening_balances=env.get("OPENING_BALANCES", "on") != "off",
    )
    if service == "core-api":
        if not settings.engine_url:
            raise SettingsError("ENGINE_URL: not set, and there is no Service matching-engine in the namespace")
        if not settings.reference_url:
            raise SettingsError("REFERENCE_DATA_URL: not set")
    return settings
