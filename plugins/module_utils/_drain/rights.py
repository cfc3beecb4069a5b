# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the user may do all that a handover of pods needs, before it is begun. No engine is asked."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.session import Session
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.options import Options
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.pods import VERBS
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.task import EMPTY_RESULT, JsonObject

#: What engines and gateways are asked for: to look, to hand over, to go back, and to end the standby.
_OF_ENGINE: t.Final = ("status", "proof", "items", "settlements", "acks", "follow", "cut", "open", "finish")
_OF_GATEWAY: t.Final = ("status", "acks")
#: Only where clients are told before.
_ANNOUNCED: t.Final = ("announce", "withdraw")


class Right(t.NamedTuple):
    """One verb of one resource, as a rule of a Role has them."""

    verb: str
    resource: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"


def needed(options: Options) -> list[Right]:
    """What a handover needs of the API server; nothing where everybody has an address of his own. Pure."""
    by_pod = any(one is not None and one.pod for one in (options.engine, options.new))
    calls = [options.contract.engine[name] for name in _OF_ENGINE] if by_pod else []
    if by_pod and options.announce_s > 0:
        calls += [options.contract.engine[name] for name in _ANNOUNCED]
    if options.gateway_pods:
        calls += [options.contract.gateway[name] for name in _OF_GATEWAY]
    rights = [Right("get", "pods")] if by_pod else []
    rights += [Right("list", "pods")] if options.gateway_pods else []
    return rights + sorted({Right(VERBS[call.method], "pods/proxy") for call in calls if call.offered})


def permitted(options: Options, session: Session | None) -> JsonObject:
    """The result of the task. Raises OptionError naming every right that is missing."""
    rights = needed(options)
    nothing: JsonObject = {"changed": False, "diff": EMPTY_RESULT["state"]}
    if session is None or not rights:
        return {**EMPTY_RESULT, **nothing, "reason": "no pod is asked, so no right is needed"}
    pods = Ref("v1", "Pod", "", session.namespace)
    missing = [
        right
        for right in rights
        if not session.kube.may(right.verb, pods, subresource=right.resource.partition("/")[2])
    ]
    if missing:
        told = " and to ".join(str(right) for right in missing)
        raise OptionError(
            "context",
            f"{session.kube.user()} is forbidden to {told} in the namespace {session.namespace}, which the handover of "
            "an engine needs; docs/examples/rbac-engine.yml has the rules",
            region=session.region,
        )
    return {**EMPTY_RESULT, **nothing, "reason": f"allowed to {', '.join(str(right) for right in rights)}"}
