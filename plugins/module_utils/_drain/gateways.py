# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All gateways of a region: asked at the same time, and left out when their pods go."""

from __future__ import annotations

import contextlib
import functools
import typing as t
from collections.abc import Callable

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.control import ControlError, Exchange
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.options import Options, need_gateways
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.pods import Gateway, Pods
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.steps import Steps, at_once

Answer = t.TypeVar("Answer")

#: A list of pods.
_LIST_S: t.Final = 10.0


class Gateways:
    """Those that are given by their addresses, and the pods that run. `undoing`: on a way back one that does not answer
    may be the reason for it."""

    def __init__(
        self,
        options: Options,
        steps: Steps,
        pods: Pods | None,
        fixed: list[Exchange],
        connect: Callable[[Gateway], Exchange],
        *,
        warnings: list[str],
        undoing: bool,
    ) -> None:
        self.all = fixed
        self._options, self._steps, self._pods = options, steps, pods
        self._by_pod: dict[Gateway, Exchange] = {}
        self._connect = connect
        self._warnings = warnings
        self._undoing = undoing

    def offer(self, call: str) -> bool:
        """Whether there are gateways, and they can do that."""
        return bool(self.all) and self._options.contract.gateway[call].offered

    def find(self, within_s: float = _LIST_S) -> None:
        """The pods that are gateways now. One that has gone is no gateway any more, which is told. Raises ApiError."""
        if self._pods is None or not self._options.gateway_pods:
            return
        wanted = self._options.gateway_pods
        found = [one for selector, port in wanted for one in self._pods.gateways(selector, port, within_s)]
        for one, exchange in self._by_pod.items():
            if one not in found and exchange in self.all:
                self._leave_out(exchange, "has gone meanwhile with its sessions and has nothing in flight")
        for one in found:
            if one not in self._by_pod:
                self._by_pod[one] = self._connect(one)
                self.all = [*self.all, self._by_pod[one]]
        if not self.all and not self._undoing and self._options.state == "drained":
            selectors = " and ".join(selector for selector, _port in wanted)
            need_gateways(self._options, "gateway_pods", f"no pod with {selectors} runs; start one")

    def ask(
        self, ask: Callable[[Exchange], Answer], what: str = "", list_s: float | None = None
    ) -> dict[Exchange, Answer]:
        """What each of them answers. One whose pod has gone is left out: it has nothing in flight that it could still
        acknowledge. With `what` the lock is kept meanwhile. Raises ControlError for one that is there and does not
        answer, except on a way back."""
        asked = self.all
        answers = at_once(
            [functools.partial(ask, gateway) for gateway in asked],
            (lambda: self._steps.beat(f"{what}: waiting for the gateways")) if what else lambda: None,
        )
        both = list(zip(asked, answers, strict=True))
        silent = {one for one, found in both if isinstance(found, ControlError) and found.retriable}
        if silent:
            # Whoever cannot list them says what the gateway said, or did not.
            with contextlib.suppress(ApiError):
                self.find(list_s or _LIST_S)
        found: dict[Exchange, Answer] = {}
        for gateway, answer in both:
            if gateway not in self.all:
                continue
            if gateway in silent and self._undoing:
                self._leave_out(gateway, "does not answer and is left out of the way back")
            elif isinstance(answer, ReleaseError):
                raise answer
            else:
                found[gateway] = answer
        return found

    def _leave_out(self, gateway: Exchange, why: str) -> None:
        self.all = [one for one in self.all if one is not gateway]
        self._warnings.append(f"{gateway.name} {why}; what it acknowledged last is not compared")
