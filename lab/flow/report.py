# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a run as JSON and as lines to read. No I/O."""

from __future__ import annotations

import time
import typing as t

from .reconcile import Reconciliation
from .run import Flow
from .tally import NO_REGION

_SHOWN_IDS: t.Final = 20


def figures(
    flow: Flow,
    started_at: float,
    ended_at: float,
    reconciliation: Reconciliation | None,
    engines: t.Mapping[str, tuple[str, int]],
) -> dict[str, t.Any]:
    """Everything that is known about the run. Without a reconciliation lost and duplicated are null: not known."""
    tally = flow.tally
    found = reconciliation
    return {
        "run": flow.run_id,
        "rate": flow.plan.rate,
        "started_at": round(started_at, 3),
        "ended_at": round(ended_at, 3),
        "totals": {
            "sent": flow.sent,
            **tally.counts(),
            "failed_by_healthy_versions": tally.failed_by_healthy(flow.plan.bad_versions),
            "turned_away": tally.turned_away(),
            "cancelled_unaccepted": flow.cancelled_unaccepted,
            "reconciled": found is not None,
            "lost": None if found is None else len(found.lost),
            "duplicated": None if found is None else len(found.duplicated),
            "accepted_orders": None if found is None else found.accepted,
            "accepted_unacknowledged": None if found is None else found.unacknowledged,
            "skipped": flow.skipped,
            "most_in_flight": flow.most_in_flight,
            "latest_send_ms": round(flow.latest_send_s * 1000, 1),
        },
        "kinds": {kind: tally.counts(kind=kind) for kind in ("order", "cancel", "query")},
        "refused_by_code": dict(sorted(tally.refused_by.items())),
        "failed_by_version": tally.failed_by_version(),
        "bad_versions": list(flow.plan.bad_versions),
        "versions": tally.versions(),
        "regions": {
            name: {
                "gateway": url,
                "engine": engines.get(name, ("", 0))[0],
                "last_sequence": engines.get(name, ("", 0))[1],
                "sent": flow.sent_to(name),
                **tally.counts(region=name),
                "versions": tally.versions(name),
            }
            for name, url in flow.plan.gateways.items()
        },
        "resolved": _resolved(flow),
        "latency_ms": tally.latency(),
        "lost": [] if found is None else [_line(ack) for ack in found.lost[:_SHOWN_IDS]],
        "duplicated": [] if found is None else list(found.duplicated[:_SHOWN_IDS]),
        "bad_answers": tally.bad_answers(),
        "per_second": tally.per_second(),
    }


def _resolved(flow: Flow) -> dict[str, t.Any] | None:
    """Where new orders went that follow a name; None for a flow that follows none."""
    if flow.names is None:
        return None
    tally = flow.tally
    return {
        "name": flow.names.resolving.name,
        "resolvers": list(flow.names.resolving.resolvers),
        "orders": {
            region: {**tally.counts(region, "order"), **_span(tally.failed_orders(region))}
            for region in (*flow.plan.gateways, NO_REGION)
        },
        "failed_orders": {"number": tally.count("failed", kind="order"), **_span(tally.failed_orders())},
        "questions": flow.names.questions,
        "answers": [list(answer) for answer in flow.names.answers],
        "orders_per_second": [list(row) for row in tally.orders_per_second()],
    }


def _span(span: tuple[float, float] | None) -> dict[str, float | None]:
    first, last = span or (None, None)
    return {
        "first_failed_at": None if first is None else round(first, 3),
        "last_failed_at": None if last is None else round(last, 3),
    }


def _line(acknowledgement: t.Any) -> str:
    return (
        f"{acknowledgement.region}: {acknowledgement.kind} {acknowledgement.client_order_id} "
        f"was acknowledged as {acknowledgement.sequence}"
    )


def is_whole(report: t.Mapping[str, t.Any]) -> bool:
    """Whether every acknowledgement is in a journal, once. What is not known (null) is not 0."""
    totals = report["totals"]
    return bool(totals["lost"] == 0 and totals["duplicated"] == 0)


def summary(report: t.Mapping[str, t.Any], seconds: float) -> list[str]:
    """The same to read."""
    totals, latency = report["totals"], report["latency_ms"]
    lines = [
        f"run {report['run']}: {seconds:.1f} s at {report['rate']:g} orders/s over {len(report['regions'])} regions",
        f"  sent {totals['sent']}  acknowledged {totals['acknowledged']}  refused {totals['refused']}"
        f"  failed {totals['failed']}  failed by healthy versions {totals['failed_by_healthy_versions']}",
    ]
    if report["refused_by_code"]:
        text = ", ".join(f"{number} x {code}" for code, number in report["refused_by_code"].items())
        lines.append(f"  refused: {text}; {totals['turned_away']} of them because the exchange did not trade")
    for version, codes in report["failed_by_version"].items():
        seen = report["versions"][version]
        span = seen["last_bad_at"] - seen["first_bad_at"]
        text = ", ".join(f"{number} x {code}" for code, number in codes.items())
        lines.append(f"  failed by version {version}: {text}; first to last bad answer {span:.2f} s")
    if report["resolved"] is not None:
        lines.append(_orders_line(report["resolved"]))
    lines.append("  latency " + "  ".join(f"{name} {latency[name]:g} ms" for name in ("p50", "p95", "p99", "max")))
    if totals["reconciled"]:
        lines.append(
            f"  lost {totals['lost']}  duplicated {totals['duplicated']}"
            f"  (accepted without an acknowledgement {totals['accepted_unacknowledged']})"
        )
        lines += [f"  LOST {text}" for text in report["lost"]]
        lines += [f"  DUPLICATED {text}" for text in report["duplicated"]]
    else:
        lines.append("  lost and duplicated are not known: a journal could not be read")
    return lines


def _orders_line(resolved: t.Mapping[str, t.Any]) -> str:
    parts = []
    for region, counts in resolved["orders"].items():
        number = counts["acknowledged"] + counts["refused"] + counts["failed"]
        if region == NO_REGION and not number:
            continue
        failed = ""
        if counts["failed"]:
            last = time.strftime("%H:%M:%S", time.gmtime(counts["last_failed_at"]))
            failed = f" (failed {counts['failed']}, the last at {last}Z)"
        parts.append(f"{region} {number}{failed}")
    return f"  new orders by {resolved['name']}: {', '.join(parts)}"
