# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m lab up|down|status|logs|kubeconfig`."""

from __future__ import annotations

import argparse
import os
import sys

from lab import checks
from lab.errors import LabError
from lab.model import BLOCKS, Lab, Site, plan_lab
from lab.steps import Steps


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description="Local Kubernetes regions for demo and tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("up", "start the lab, or what is missing of it"),
        ("down", "stop it and leave nothing behind"),
        ("status", "what runs; exit code 1 when something does not"),
        ("logs", "the programs' logs"),
        ("kubeconfig", "print the path of the kubeconfig, one context for each site"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--name", default="demo", choices=sorted(BLOCKS), help="which lab (default: demo)")
        if name == "up":
            command.add_argument("--regions", type=int, default=2, help="number of regions (default: 2)")
            command.add_argument("--bare", action="store_true", help="control planes and nodes only, no add-ons")
            command.add_argument("--fix", action="store_true", help="with FIX gateways (compiles for minutes, once)")
        if name == "logs":
            command.add_argument("site", nargs="?", help="only this region, or management")
            command.add_argument("program", nargs="?", help="only this program")
            command.add_argument("--lines", type=int, default=10, help="how many lines of each (default: 10)")
    return parser


def _running_lab(name: str) -> Lab:
    """The lab as it was brought up, with its number of regions."""
    from lab import state  # noqa: PLC0415 - so that --help works where libraries are missing

    regions = state.owner(plan_lab(name)).get("regions")
    return plan_lab(name, regions if isinstance(regions, int) else 2)


def _up(lab: Lab, *, bare: bool, fix: bool) -> int:
    from lab import state  # noqa: PLC0415
    from lab.up import up  # noqa: PLC0415

    steps = Steps()
    with state.locked(lab):
        up(lab, steps, bare=bare, fix=fix)
    steps.say("lab", f"{lab.name} is up: {', '.join(site.name for site in lab.regions)} and {lab.management.name}")
    steps.say("lab", f"look around: export KUBECONFIG={lab.kubeconfig}; stop: python -m lab down --name {lab.name}")
    return 0


def _down(lab: Lab) -> int:
    from lab import down, state  # noqa: PLC0415

    steps = Steps()
    with state.locked(lab):
        down.down(lab, steps)
    return 0


def _status(lab: Lab) -> int:
    from lab import programs, state  # noqa: PLC0415
    from lab.kube import Kube  # noqa: PLC0415

    whole = state.complete(lab)
    for site in lab.sites:
        names = programs.known(site)
        dead = [name for name in names if not programs.alive(site, name)]
        ready = site.admin_kubeconfig.exists() and Kube(site.admin_kubeconfig).ready()
        whole = whole and ready and not dead
        ended = f", ended: {' '.join(dead)}" if dead else ""
        answer = "API ready" if ready else "API does not answer"
        print(f"{site.name:<14} {site.address:<12} {answer}, {len(names) - len(dead)} programs run{ended}")
    print(f"lab {lab.name}: {'complete' if whole else f'not complete; python -m lab up --name {lab.name}'}")
    return 0 if whole else 1


def _logs(lab: Lab, site_name: str | None, program: str | None, lines: int) -> int:
    from lab import programs  # noqa: PLC0415

    sites: list[Site] = [site for site in lab.sites if site_name in (None, site.name)]
    if not sites:
        raise LabError(f"{site_name}: no such site; lab {lab.name} has {', '.join(site.name for site in lab.sites)}")
    for site in sites:
        for path in sorted((site.home / "log").glob(f"{program or '*'}.log")):
            print(f"==> {path} <==")
            print(programs.tail(site, path.stem, lines))
    return 0


def _kubeconfig(lab: Lab) -> int:
    if not lab.kubeconfig.exists():
        raise LabError(f"lab {lab.name} is not up; start it with python -m lab up --name {lab.name}")
    print(lab.kubeconfig)
    return 0


def _run(arguments: argparse.Namespace) -> int:
    # First of all, before any library is looked for: another user's Python may have none of them.
    if arguments.command in ("up", "down"):
        checks.refuse(checks.python(sys.version_info[:2]), checks.root(os.geteuid()))
    if arguments.command == "up":
        return _up(plan_lab(arguments.name, arguments.regions), bare=arguments.bare, fix=arguments.fix)
    lab = _running_lab(arguments.name)
    if arguments.command == "logs":
        return _logs(lab, arguments.site, arguments.program, arguments.lines)
    simple = {"down": _down, "status": _status, "kubeconfig": _kubeconfig}
    return simple[arguments.command](lab)


def main() -> int:
    """Exit code 0 when it worked; 1 with one sentence when it did not."""
    try:
        return _run(_parser().parse_args())
    except ModuleNotFoundError as error:
        print(
            f"lab: this Python has no {error.name}; use the checkout's: make venv, then .venv/bin/python -m lab",
            file=sys.stderr,
        )
        return 1
    except (LabError, ValueError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
