# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry and documentation of k8s_rollout_gate."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_rollout_gate
short_description: Judge a rollout by its workloads and metrics
version_added: 0.1.0
description:
  - Waits until workloads are ready and metrics were good for long enough, and says V(pass), V(fail) or V(hold) with the
    reason in one sentence.
  - Fails as soon as there is evidence, and not only when time is over. A container that ended twice, an image that
    the registry does not have, or a metric outside its limit ends the gate at once.
  - Never passes without evidence. What cannot be measured (no answer, no data, NaN, several series, a stale sample)
    neither proves nor clears anything, and has rules of its own.
  - With O(trip) it sets the traffic back by itself at the moment of a V(fail), in the same process.
  - With O(release) it reads the lock and the fleet's decision while it looks, and a V(fail) is told to the fleet as the
    decision to undo the release.
author:
  - Pincex release engineering (@pincex)
extends_documentation_fragment:
  - pincex.zero_downtime._attributes
  - pincex.zero_downtime._cluster
  - pincex.zero_downtime._release
attributes:
  check_mode:
    support: full
    description:
      - Looks once, waits for nothing, trips nothing, and never fails by a verdict. What only time can show is
        V(hold).
  diff_mode:
    support: full
    description: Shows the weights before and after a trip.
options:
  workloads:
    description:
      - What has to be ready.
      - Ready means that the controller has seen the newest revision, that all pods are of it, ready and available,
        and that no pod of an older revision is left. A workload that is scaled to zero is not ready, unless
        O(workloads[].min_ready) is V(0).
      - A StatefulSet with a partition is ready when the pods above it are updated; with V(OnDelete) the revision of
        its pods does not matter.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: The kind of the workload.
        type: str
        choices: [Deployment, StatefulSet, DaemonSet, Pod]
        required: true
      name:
        description: Its name.
        type: str
        required: true
      min_ready:
        description: How many pods have to be ready besides what the workload itself wants.
        type: int
  workload_grace:
    description:
      - How much of each trouble is forgiven before a workload is called doomed. One doomed pod of the newest revision
        is enough.
      - An image that the registry says it does not have or does not give (V(not found), V(unauthorized), V(denied))
        needs no grace.
    type: dict
    suboptions:
      crash_restarts:
        description:
          - How often a container may end by itself.
          - Ends from before the gate do not count for pods that are ready when it starts.
        type: int
        default: 1
      oom_kills:
        description: The same when its memory was not enough.
        type: int
        default: 0
      image_pull_s:
        description: Seconds for an image that cannot be pulled for another reason.
        type: float
        default: 30.0
      config_error_s:
        description: Seconds for a ConfigMap or Secret that is missing.
        type: float
        default: 10.0
      start_error_s:
        description: Seconds for a container that cannot be made or started.
        type: float
        default: 10.0
      replica_failure_s:
        description: Seconds for pods that are refused, by a quota or by admission.
        type: float
        default: 10.0
      unschedulable_s:
        description: Seconds for pods without a node. Told at once; longer than a new node takes to start.
        type: float
        default: 300.0
  metrics:
    description: What is measured, each by a query that gives one number.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: How it is called in sentences.
        type: str
        required: true
      query:
        description:
          - PromQL that gives one series or a scalar.
          - Differences of counters show the first failures of a new pod. C(rate) and C(increase) do not, because they
            need two samples of the same series, and they extrapolate.
        type: str
        required: true
      max:
        description: The value is bad above this. Either this or O(metrics[].min).
        type: float
      min:
        description: The value is bad below this. Either this or O(metrics[].max).
        type: float
      for_s:
        description:
          - How long it has to be bad to count, in seconds between good samples that follow each other. A good sample
            starts it anew; time without sight is not counted and clears nothing.
        type: float
        default: 0.0
      min_samples_query:
        description: PromQL that counts the requests behind the value.
        type: str
      min_requests:
        description: With fewer requests nothing is judged, in neither direction. Needs O(metrics[].min_samples_query).
        type: float
        default: 0.0
      min_failures:
        description:
          - For a share of failures between 0 and 1. It is bad only when value times requests is at least this, so
            that one failure of a quiet service is no verdict. Needs O(metrics[].min_samples_query) and
            O(metrics[].max).
          - A value above the limit with fewer failures does not pass either; it is watched on.
        type: float
        default: 0.0
      age_query:
        description:
          - PromQL that gives the age of the newest sample in seconds, for example V(time(\) -
            min(timestamp(some_metric\)\)).
          - Prometheus looks back for minutes. Without this an old sample reads like a new one.
        type: str
      weight:
        description: V(critical) decides, V(warning) is only told.
        type: str
        choices: [critical, warning]
        default: critical
  prometheus:
    description:
      - Where O(metrics) are asked. Queries of one round are asked for the same instant of the server's own clock.
    type: dict
    suboptions:
      url:
        description: Its address, with the path in front of C(/api/v1) if there is one.
        type: str
        required: true
      ca_cert:
        description: A file with the authorities to trust.
        type: path
      token_file:
        description: A file with a bearer token, read again for every query.
        type: path
      headers:
        description: Headers to send, for example for a tenant.
        type: dict
      timeout_s:
        description: How long one answer may take.
        type: float
        default: 2.0
      stale_s:
        description: An older newest sample is no sample; two scrapes. Used with O(metrics[].age_query).
        type: float
        default: 30.0
  observe_s:
    description: How long everything has to be good before it passes, in seconds with evidence.
    type: float
    default: 0.0
  interval_s:
    description: Time between two looks.
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
  trip:
    description:
      - What to do at a V(fail), at once. Routes that are not named keep their weights.
      - Needs the permission to change these routes.
    type: dict
    suboptions:
      routes:
        description: The routes (HTTPRoute) to set back.
        type: list
        elements: str
        required: true
      to:
        description: The slot that gets all of the traffic, if it has ready pods.
        type: str
        choices: [blue, green]
        required: true
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
      - {kind: Deployment, name: core-api-green}
    prometheus:
      url: http://prometheus.example:9090
    metrics:
      - name: core-api error rate
        query: >-
          sum(errors_total{slot="green"} - (errors_total{slot="green"} offset 1m or errors_total{slot="green"} * 0))
          / sum(served_total{slot="green"} - (served_total{slot="green"} offset 1m or served_total{slot="green"} * 0))
        max: 0.05
        for_s: 30
        min_samples_query: sum(increase(served_total{slot="green"}[1m]))
        min_requests: 50
        min_failures: 5
    observe_s: 300
    trip:
      routes: [core-api]
      to: blue
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
    metrics:
      description: Each check with its value, limit, counts of samples by kind, and its last samples.
      type: list
      elements: dict
      sample:
        - name: core-api error rate
          status: bad
          value: 0.182
          limit: {max: 0.05}
          window: 5s
          requests: 33
          samples: {valid: 12, thin: 3, no_data: 0, nan: 0, many: 0, stale: 0, error: 0}
          last: [{after_s: 2.75, kind: valid, value: 0.182, requests: 33}]
tripped:
  description: The trip, or null without one. Its C(error) says why the traffic could not be taken back.
  returned: always
  type: dict
  sample: {at: 1767323045.2, to: blue, error: ""}
undo:
  description: The decision that stands in the fleet's journal after a V(fail) of a release, or null.
  returned: always
  type: dict
  sample: {decision: undo, by: us-east-1, reason: core-api error rate 0.182 > 0.05}
warnings:
  description: Checks of weight V(warning) that are outside their limit or not visible.
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
