# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the flow was asked to do: options, and the lab's own state file where an option is missing."""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import typing as t

from lab.model import BLOCKS, plan_lab

from .names import Resolving

CORE_API_HOST: t.Final = "core-api.exchange.lab"


class PlanError(ValueError):
    """An option is missing or wrong; the text names it."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything that one run needs."""

    gateways: dict[str, str]
    engines: dict[str, str]
    kubeconfig: pathlib.Path | None
    rate: float
    seconds: float | None
    out: pathlib.Path | None
    bad_versions: tuple[str, ...]
    in_flight: int
    timeout_s: float
    host: str = CORE_API_HOST
    #: None: every region gets the same part of the orders.
    resolving: Resolving | None = None


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m lab.flow", description=__doc__)
    run = top.add_subparsers(dest="command", required=True).add_parser(
        "run", help="send orders until SIGTERM, SIGINT or --seconds, then compare with the engines' journals"
    )
    run.add_argument("--name", default="demo", choices=sorted(BLOCKS), help="the lab to send to (default demo)")
    run.add_argument("--rate", type=float, default=200, help="orders per second over all regions (default 200)")
    run.add_argument("--seconds", type=float, help="end after so long (default: on a signal)")
    run.add_argument("--out", type=pathlib.Path, help="write the figures into this JSON file")
    run.add_argument("--gateway", action="append", default=[], metavar="REGION=URL", help="instead of the lab's")
    run.add_argument(
        "--engine", action="append", default=[], metavar="REGION=URL", help="instead of asking the cluster"
    )
    run.add_argument(
        "--resolve", nargs="?", const="", metavar="NAME", help="send new orders where this name (the lab's) points to"
    )
    run.add_argument("--resolver", action="append", default=[], metavar="HOST:PORT", help="instead of the lab's")
    run.add_argument("--bad", default="v3,v4,v5,v6", help="versions that may fail (default v3,v4,v5,v6)")
    run.add_argument("--in-flight", type=int, default=800, help="most requests under way (default 800)")
    run.add_argument("--timeout", type=float, default=15, help="seconds for one request (default 15)")
    return top


def _pairs(option: str, values: t.Sequence[str]) -> dict[str, str]:
    pairs = {}
    for value in values:
        region, equals, url = value.partition("=")
        if not equals or not region or not url.startswith("http://"):
            raise PlanError(f"{option} {value}: use REGION=http://ADDRESS")
        pairs[region] = url.rstrip("/")
    return pairs


def make_plan(options: argparse.Namespace) -> Plan:
    """Options and state file together; raises PlanError."""
    if not 0 < options.rate <= 5000:
        raise PlanError(f"--rate {options.rate:g}: use more than 0 and at most 5000")
    if options.seconds is not None and options.seconds <= 0:
        raise PlanError(f"--seconds {options.seconds:g}: use more than 0")
    if options.in_flight < 1 or options.timeout <= 0:
        raise PlanError("--in-flight and --timeout: use more than 0")
    gateways, engines = _pairs("--gateway", options.gateway), _pairs("--engine", options.engine)
    kubeconfig = None
    names: dict[str, t.Any] = {"name": options.resolve, "resolvers": options.resolver}
    by_name = options.resolve is not None
    if not gateways or gateways.keys() - engines.keys() or (by_name and not all(names.values())):
        state_file = plan_lab(options.name).home / "state.json"
        try:
            state = json.loads(state_file.read_text())
        except OSError:
            raise PlanError(
                f"--name {options.name}: no such lab runs ({state_file} is missing); python -m lab up starts it, "
                "or give --gateway and --engine"
            ) from None
        gateways = gateways or {region: entry["gateway_url"] for region, entry in state["regions"].items()}
        kubeconfig = pathlib.Path(state["kubeconfig"])
        names = {key: value or state.get("dns", {}).get(key) for key, value in names.items()}
    if options.resolver and not by_name:
        raise PlanError("--resolver: nothing is resolved without --resolve")
    if by_name and not all(names.values()):
        raise PlanError("--resolve: the lab that runs has no names; take it down and up again")
    odd = next((one for one in options.resolver if not one.rpartition(":")[2].isdigit()), None)
    if odd is not None:
        raise PlanError(f"--resolver {odd}: use HOST:PORT")
    unknown = engines.keys() - gateways.keys()
    if unknown:
        raise PlanError(f"--engine {min(unknown)}: there is no gateway for this region")
    return Plan(
        gateways=dict(sorted(gateways.items())),
        engines=engines,
        kubeconfig=kubeconfig,
        rate=options.rate,
        seconds=options.seconds,
        out=options.out,
        bad_versions=tuple(name for name in options.bad.split(",") if name),
        in_flight=options.in_flight,
        timeout_s=options.timeout,
        resolving=Resolving(names["name"], tuple(names["resolvers"])) if by_name else None,
    )
