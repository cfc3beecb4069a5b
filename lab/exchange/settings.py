# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service is told by its environment."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import typing as t

SERVICES: t.Final = ("core-api", "reference-data", "matching-engine", "fix-gateway", "maintenance")
VERSIONS: t.Final = ("v1", "v2", "v3", "v4", "v5", "v6")


#: What an engine can be asked to do wrong; see engine_faults.py.
FAULTS: t.Final = (
    "settlement_stuck",
    "snapshot_corrupt",
    "journal_lagging",
    "ack_not_journaled",
    "balance_lost",
    "queue_swapped",
    "trade_one_leg",
)


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
    #: When clients are told to come back in a maintenance.
    retry_after_s: int = 120
    order_deadline_s: float = 10.0
    reference_deadline_s: float = 8.0
    engine_url: str = ""
    #: All engines of the region, where there is more than one.
    engine_urls: tuple[str, ...] = ()
    #: What a gateway holds while no engine leads: so many orders and cancels, each for so long.
    hold_most: int = 10_000
    hold_s: float = 10.0
    #: Where a gateway serves market data; None is nowhere.
    ws_port: int | None = None
    #: Where the FIX gateway listens, and the CompIDs of its clients.
    fix_port: int = 9878
    fix_sessions: tuple[str, ...] = ()
    #: Where a gateway gets its feature flags: flagd's sync protocol at HOST:PORT, or a document of flagd.
    flags_sync: str = ""
    flags_file: str = ""
    reference_url: str = ""
    reference_host: str = ""
    data: pathlib.Path = pathlib.Path("/data")
    #: Whether a fresh journal of the engine begins with deposits.
    opening_balances: bool = True
    #: Name of the engine, unique in its region.
    engine_name: str = "matching-engine"
    #: Path or `configmap:NAME`; empty is a file in `data`, for an engine that has no second one.
    epoch_record: str = ""
    #: The engine whose journal this one follows, until it is told otherwise.
    follow_url: str = ""
    #: The engine of the other slot: its name in the epoch record, and where it is followed when the record names it.
    engine_peer: str = ""
    peer_url: str = ""
    #: Faults of the engine on request; None where they cannot be asked for.
    faults: tuple[str, ...] | None = None


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


def _faults(env: t.Mapping[str, str]) -> tuple[str, ...] | None:
    text = env.get("PINCEX_FAULTS", "")
    names = tuple(name for name in text.split(",") if name and name != "on")
    for name in names:
        if name not in FAULTS:
            raise SettingsError(f"PINCEX_FAULTS={text}: use on, or some of {', '.join(FAULTS)}")
    return names if text else None


def _service_url(env: t.Mapping[str, str], name: str) -> str:
    """The lab has no cluster DNS; Kubernetes itself tells every pod the addresses of its namespace's Services. A
    Service that is younger than the pod has only its name."""
    prefix = name.upper().replace("-", "_")
    return f"http://{env.get(f'{prefix}_SERVICE_HOST') or name}:{env.get(f'{prefix}_SERVICE_PORT') or '8080'}"


def _engine_urls(env: t.Mapping[str, str]) -> tuple[str, ...]:
    """What a gateway is told, or the Services of both slots where they are there."""
    text = env.get("ENGINE_URLS", "")
    if "$(" in text:
        # Kubernetes leaves a variable that it does not know as it is. At the next start it may know it.
        raise SettingsError(f"ENGINE_URLS={text}: one of these Services was not there when the container started")
    if text or env.get("ENGINE_URL"):
        return tuple(url.strip() for url in text.split(",") if url.strip())
    slots = ("matching-engine-blue", "matching-engine-green")
    return tuple(_service_url(env, name) for name in slots if env.get(f"{name.upper().replace('-', '_')}_SERVICE_HOST"))


def _fix_sessions(env: t.Mapping[str, str]) -> tuple[str, ...]:
    """With 15 characters of the name, a ClOrdID has 48 of the 64 of an id."""
    text = env.get("FIX_SESSIONS", "") or "FIX1,FIX2,FIX3,FIX4,FIX5"
    names = tuple(text.split(","))
    if len(set(names)) < len(names) or not all(re.fullmatch(r"[A-Za-z0-9_-]{1,15}", name, re.ASCII) for name in names):
        raise SettingsError(f"FIX_SESSIONS={text}: names of 1 to 15 letters, digits, underscores or dashes, by comma")
    return names


def _flags_sync(env: t.Mapping[str, str]) -> str:
    text = env.get("FLAGS_SYNC", "")
    if text and not re.fullmatch(r"\S+:[0-9]{1,5}", text, re.ASCII):
        raise SettingsError(f"FLAGS_SYNC={text}: use HOST:PORT")
    if text and env.get("FLAGS_FILE"):
        raise SettingsError(f"FLAGS_SYNC={text} and FLAGS_FILE={env['FLAGS_FILE']}: give one of them")
    return text


def read_settings(env: t.Mapping[str, str], service: str = "") -> Settings:
    """Settings of `service`, or of the one that PINCEX_SERVICE names."""
    service = service or env.get("PINCEX_SERVICE", "")
    if service not in SERVICES:
        raise SettingsError(f"PINCEX_SERVICE={service}: use one of {', '.join(SERVICES)}")
    version = env.get("PINCEX_VERSION", "") or "v1"
    if version not in VERSIONS:
        raise SettingsError(f"PINCEX_VERSION={version}: use one of {', '.join(VERSIONS)}")
    engine_urls, peer = _engine_urls(env), env.get("ENGINE_PEER", "")
    settings = Settings(
        service=service,
        version=version,
        slot=env.get("PINCEX_SLOT", "") or "none",
        region=env.get("PINCEX_REGION", "") or "none",
        port=int(_number(env, "PORT", 8080)),
        # The engine has one replica: lingering would only make its restart longer.
        linger_s=_number(env, "LINGER_S", 0 if service == "matching-engine" else 3),
        retry_after_s=int(_number(env, "RETRY_AFTER_S", 120)),
        order_deadline_s=_number(env, "ORDER_DEADLINE_S", 10),
        reference_deadline_s=_number(env, "REFERENCE_DATA_DEADLINE_S", 8),
        engine_url=env.get("ENGINE_URL", "") or (engine_urls[0] if engine_urls else ""),
        engine_urls=engine_urls,
        hold_most=int(_number(env, "HOLD_MAX", 10_000)),
        hold_s=_number(env, "HOLD_S", 10),
        ws_port=int(_number(env, "WS_PORT", 0)) if env.get("WS_PORT") else None,
        fix_port=int(_number(env, "FIX_PORT", 9878)),
        fix_sessions=_fix_sessions(env) if service == "fix-gateway" else (),
        flags_sync=_flags_sync(env),
        flags_file=env.get("FLAGS_FILE", ""),
        reference_url=env.get("REFERENCE_DATA_URL", ""),
        reference_host=env.get("REFERENCE_DATA_HOST", ""),
        data=pathlib.Path(env.get("DATA_DIR", "") or "/data"),
        opening_balances=env.get("OPENING_BALANCES", "on") != "off",
        engine_name=env.get("ENGINE_NAME", "") or "matching-engine",
        epoch_record=env.get("EPOCH_RECORD", ""),
        follow_url=env.get("FOLLOW_URL", ""),
        engine_peer=peer,
        peer_url=_service_url(env, peer) if peer else "",
        faults=_faults(env) if service == "matching-engine" else None,
    )
    if service in ("core-api", "fix-gateway") and not settings.engine_url:
        raise SettingsError("ENGINE_URLS: not set, and there is no Service matching-engine-blue or -green")
    if service == "core-api" and not settings.reference_url:
        raise SettingsError("REFERENCE_DATA_URL: not set")
    return settings
