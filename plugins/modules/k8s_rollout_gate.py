# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry and documentation of k8s_rollout_gate."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_rollout_gate
short_description: Judge a rollout by its workloads, metrics and health endpoints
version_added: 0.1.0
description:
  - Waits until workloads are ready and every check was good for long enough, and says V(pass), V(fail) or V(hold) with
    the reason in one sentence.
  - Fails as soon as there is evidence, and not only when time is over. A container that ended twice, an image that
    the registry does not have, a metric outside its limit, or failures that no healthy version makes
    (O(counters)) end the gate at once.
  - Never passes without evidence. What cannot be measured (no answer, no data, NaN, several series, a stale sample)
    neither proves nor clears anything, and has policies of its own.
  - With O(trip) it sets the traffic back by itself at the moment of a V(fail), in the same process.
  - With O(release) it reads the lock and the fleet's decision while it looks, and a V(fail) is told to the fleet as the
    decision to undo the release.
  - With O(replay) it judges the past, and changes nothing.
  - While it waits it prints a line when something changes, and else every five seconds.
author:
  - Pincex release engineering (@pincex)
extends_documentation_fragment:
  - pincex.zero_downtime._attributes
  - pincex.zero_downtime._cluster
  - pincex.zero_downtime._release
  - pincex.zero_downtime._metric_provider
  - pincex.zero_downtime._gate_workloads
  - pincex.zero_downtime._gate_metrics
  - pincex.zero_downtime._gate_counters
  - pincex.zero_downtime._gate_health
  - pincex.zero_downtime._gate_replay
attributes:
  check_mode:
    support: full
    description:
      - Looks once, waits for nothing, trips nothing, and never fails by a verdict. V(pass) says that all is good at
        that look, O(observe_s) is not waited for. What one look cannot show, as counters without O(since), is
        V(hold).
  diff_mode:
    support: full
    description: Shows the weights before and after a trip.
options:
  observe_s:
    description: How long everything has to be good before it passes, in seconds with evidence.
    type: float
    default: 0.0
  interval_s:
    description: Time between two looks at the checks. News of the cluster are looked at when they come.
    type: float
    default: 5.0
  deadline_s:
    description: How long the workloads may be not ready, all times together.
    type: float
    default: 300.0
  blind_s:
    description:
      - How long sight of a critical metric, or of the API server, may be lost. With O(traffic) the verdict is then
        V(fail) (no evidence), else V(hold).
    type: float
    default: 60.0
  evidence_max_s:
    description: The longest time to observe when there are too few requests. Then O(on_thin_evidence) decides.
    type: float
    default: 900.0
  on_thin_evidence:
    description:
      - The verdict when there was not enough to judge. V(ask) is the verdict V(hold).
      - V(pass_on_workloads) passes when workloads are ready and nothing is outside its limit.
    type: str
    choices: [fail, ask, pass_on_workloads]
    default: fail
  traffic:
    description: Whether what is judged has traffic.
    type: bool
    default: true
  since:
    description:
      - Count the evidence of O(counters) from this instant on, in unix seconds of the controller, for example from the
        moment of the shift. Without it from the first look on.
    type: float
  trip:
    description:
      - What to do at a V(fail), at once. The service that the V(fail) speaks of is set back, and every service of this
        list that depends on it; all of them when it speaks of none in particular. Others keep their weights.
      - Needs the permission to change these routes.
    type: list
    elements: dict
    default: []
    suboptions:
      service:
        description: The service, as in the O(ignore:service) of its workloads and checks.
        type: str
        required: true
      route:
        description: Its route.
        type: str
        required: true
      kind:
        description: What its route is, as in M(pincex.zero_downtime.k8s_traffic). A Service has weights 100 and 0 only.
        type: str
        choices: [HTTPRoute, Service]
        default: HTTPRoute
      weights:
        description: The weights to go back to, by slot. A slot without ready pods gets nothing.
        type: dict
        required: true
      depends_on:
        description: The services that it needs. When one of them fails, this one goes back as well.
        type: list
        elements: str
        default: []
  fail_on:
    description: The verdicts that fail the task.
    type: list
    elements: str
    choices: [pass, fail, hold]
    default: [fail, hold]
seealso:
  - module: pincex.zero_downtime.k8s_traffic
  - module: pincex.zero_downtime.k8s_revision
"""

EXAMPLES = r"""
- name: Wait until the green slot is up, or doomed
  pincex.zero_downtime.k8s_rollout_gate:
    context: us-east-1
    namespace: exchange
    workloads:
      - {kind: Deployment, name: core-api-green, min_ready: 2}
    deadline_s: 120

- name: Watch a canary, and take its traffic away at the first proof
  pincex.zero_downtime.k8s_rollout_gate:
    context: us-east-1
    namespace: exchange
    workloads:
      - {kind: Deployment, name: core-api-green, service: core-api}
    prometheus:
      url: http://prometheus.example:9090
    counters:
      # More failures than a version makes that is healthy below 1 %: says so after the fewest requests that prove it.
      - name: core-api errors
        service: core-api
        requests: http_requests_total{service="core-api",slot="green"}
        failures: http_requests_total{service="core-api",slot="green",code=~"5.."}
        healthy_below: 0.01
    metrics:
      # The limit of the service level, for what creeps.
      - name: core-api error rate
        service: core-api
        query: >-
          sum(rate(http_requests_total{service="core-api",slot="green",code=~"5.."}[1m]))
          / sum(rate(http_requests_total{service="core-api",slot="green"}[1m]))
        max: 0.05
        for_s: 120
        min_samples_query: sum(increase(http_requests_total{service="core-api",slot="green"}[1m]))
        min_requests: 50
      # Half as slow again as the stable slot at the same moment.
      - name: core-api p95 latency
        service: core-api
        query: core_api:latency_p95{slot="green"}
        baseline: {query: 'core_api:latency_p95{slot="blue"}', ratio: 1.5, floor: 0.02}
        for_s: 300
    observe_s: 300
    trip:
      - {service: core-api, route: core-api, weights: {blue: 100, green: 0}}

- name: What would last week have been called?
  pincex.zero_downtime.k8s_rollout_gate:
    context: us-east-1
    namespace: exchange
    prometheus:
      url: http://prometheus.example:9090
    metrics:
      - name: core-api error rate
        query: core_api:error_rate{slot="blue"}
        max: 0.05
        for_s: 120
    replay: {start: "2026-01-05T00:00:00Z", end: "2026-01-12T00:00:00Z"}
"""

RETURN = r"""
verdict:
  description: V(pass), V(fail) or V(hold).
  returned: always
  type: str
  sample: fail
cause:
  description:
    - What a verdict other than a plain V(pass) rests on. V(workload), V(deadline) and V(metric) speak against the
      version; V(no_evidence) and V(thin_evidence) do not; V(undone) is the fleet's decision; V(interrupted) is a
      failure of the gate.
  returned: always
  type: str
  sample: metric
reason:
  description: One sentence with condition, value, limit, window and number of samples.
  returned: always
  type: str
  sample: core-api error rate 0.182 > 0.05 (window 5s, 33 requests, 6 failures, 5 count, 12 samples)
started_at:
  description: When the gate started, in unix seconds.
  returned: always
  type: float
ready_at:
  description: When all workloads were ready for the first time.
  returned: always
  type: float
breached_at:
  description: When the metric that decided was first seen outside its limit.
  returned: always
  type: float
decided_at:
  description: The instant of the verdict. What is done about it comes after.
  returned: always
  type: float
evidence:
  description: What the verdict rests on.
  returned: always
  type: dict
  contains:
    workloads:
      description: Each workload with its counts and what is wrong with its pods.
      type: list
      elements: dict
      sample:
        - {kind: Deployment, name: core-api-green, status: ready, desired: 2, updated: 2, ready: 2, problems: []}
    checks:
      description:
        - Each check with its status, its sentence, the counts of its samples by kind, and what its kind adds, such as
          value, limit and the last samples.
      type: list
      elements: dict
      sample:
        - name: core-api error rate
          service: core-api
          weight: critical
          status: bad
          sentence: core-api error rate 0.182 > 0.05 (window 5s, 33 requests, 6 failures, 5 count, 12 samples)
          good_s: 0.0
          samples: {valid: 12, thin: 3, no_data: 0, nan: 0, many: 0, stale: 0, error: 0}
    pods:
      description:
        - For a verdict other than V(pass) the pods that have a problem, with their last log lines and events.
        - For the cause V(metric) before them up to two pods that serve what the failing check judges.
      type: list
      elements: dict
      sample:
        - pod: core-api-green-7d9c5b-x2x7p
          container: core-api
          exit_code: 1
          problem: "ended by itself with exit code 1 (2 exits)"
          log: ["cannot bind port 8080"]
          events: []
tripped:
  description: The trip, or null without one. Its C(error) says what could not be taken back, by route as well.
  returned: always
  type: dict
  sample:
    at: 1767323045.2
    error: ""
    routes:
      - {service: core-api, route: core-api, before: {blue: 90, green: 10}, after: {blue: 100, green: 0}, error: ""}
decisions:
  description: With O(replay) each decision of the past with the instant at which it would have been made.
  returned: always
  type: list
  elements: dict
  sample: [{at: 1767323045.2, verdict: fail, cause: metric, reason: core-api error rate 0.2 > 0.05}]
undo:
  description: The decision that stands in the fleet's journal after a V(fail) of a release, or null.
  returned: always
  type: dict
  sample: {decision: undo, by: us-east-1, reason: core-api error rate 0.182 > 0.05}
warnings:
  description: Checks of weight V(warning) that are outside their limit or not visible, and events that cannot be read.
  returned: always
  type: list
  elements: str
error:
  description: What went wrong. A verdict that fails the task is an error of the system V(gate), its kind is RV(cause).
  returned: failure
  type: dict
  sample: {kind: metric, system: gate, region: us-east-1, retriable: false}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.entry import run_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.run import ARGUMENT_SPEC, EMPTY_RESULT, run


def main() -> None:
    """Entry of the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run, EMPTY_RESULT)


if __name__ == "__main__":
    main()
