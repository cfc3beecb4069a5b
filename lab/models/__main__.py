# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m lab.models up|deploy|status|down`: the models of a lab that runs."""

from __future__ import annotations

import argparse
import os
import sys

from lab import checks, programs, state
from lab.errors import LabError
from lab.model import BLOCKS, Lab, plan_lab
from lab.models import install, registry_server, streams, up
from lab.models.service.kinds import KINDS
from lab.models.service.versions import VERSIONS
from lab.steps import Steps


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.models", description="The models of a lab.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("up", "start the models, or what is missing of them, in a lab that runs"),
        ("deploy", "put a version of a model into a slot, which gets no traffic by that"),
        ("status", "what runs; exit code 1 when something does not"),
        ("down", "take the models out of the lab, which goes on"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--name", default="demo", choices=sorted(BLOCKS), help="which lab (default: demo)")
        if name == "up":
            command.add_argument("--without-mlflow", action="store_true", help="no registry (it is installed once)")
        if name == "deploy":
            command.add_argument("--model", required=True, choices=sorted(KINDS))
            command.add_argument("--version", required=True, choices=sorted(VERSIONS))
            command.add_argument("--slot", default="green", choices=install.SLOTS, help="which slot (default: green)")
            command.add_argument("--region", help="only this one (default: all)")
    return parser


def _deploy(lab: Lab, options: argparse.Namespace, steps: Steps) -> None:
    up.read_state(lab)
    regions = [site for site in lab.regions if options.region in (None, site.name)]
    if not regions:
        names = ", ".join(site.name for site in lab.regions)
        raise LabError(f"--region {options.region}: lab {lab.name} has {names}")
    for site in regions:
        with steps.step(site.name, f"{options.model} {options.version} ready in slot {options.slot}"):
            install.deploy(lab, site, install.Placed(options.model, options.slot, options.version))


def _status(lab: Lab) -> int:
    described = up.read_state(lab)
    names = [streams.PROGRAM, up.RECORDER, *([registry_server.PROGRAM] if described["mlflow"] else [])]
    ended = [name for name in names if not programs.alive(lab.management, name)]
    for name in ("recorder", "redis", "mlflow"):
        print(f"{name:<10} {described[name] or 'not asked for'}")
    print(f"lab {lab.name}: {'models run' if not ended else 'ended: ' + ' '.join(ended)}")
    return 1 if ended else 0


def _run(options: argparse.Namespace) -> int:
    regions = state.owner(plan_lab(options.name)).get("regions")
    lab = plan_lab(options.name, regions if isinstance(regions, int) else 2)
    if options.command == "status":
        return _status(lab)
    checks.refuse(checks.root(os.geteuid()))
    steps = Steps()
    with state.locked(lab):
        if options.command == "up":
            up.up(lab, steps, mlflow=not options.without_mlflow)
        elif options.command == "deploy":
            _deploy(lab, options, steps)
        else:
            up.down(lab, steps)
    return 0


def main() -> int:
    """Exit code 0 when it worked; 1 with one sentence when it did not."""
    try:
        return _run(_parser().parse_args())
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
