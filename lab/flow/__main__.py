# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m lab.flow run --rate 200 --out FILE`: exit code 0 only when nothing was lost or duplicated."""

from __future__ import annotations

import json
import secrets
import sys

import uvloop

from .engines import EngineError
from .plan import Plan, PlanError, make_plan, parser
from .report import figures, is_whole, summary
from .run import reconcile, run_flow


async def run(plan: Plan) -> int:
    flow, started_at, ended_at = await run_flow(plan, secrets.token_hex(4))
    reconciliation = None
    engines: dict[str, tuple[str, int]] = {}
    try:
        reconciliation, engines = await reconcile(flow)
    except EngineError as error:
        print(error, file=sys.stderr)
    report = figures(flow, started_at, ended_at, reconciliation, engines)
    if plan.out is not None:
        plan.out.write_text(json.dumps(report, separators=(",", ":")) + "\n")
    print("\n".join(summary(report, ended_at - started_at)), flush=True)
    return 0 if is_whole(report) else 1


def main() -> int:
    try:
        plan = make_plan(parser().parse_args())
        if plan.out is not None and not plan.out.parent.is_dir():
            raise PlanError(f"--out {plan.out}: there is no such folder")
    except PlanError as error:
        print(error, file=sys.stderr)
        return 2
    return uvloop.run(run(plan))


if __name__ == "__main__":
    sys.exit(main())
