# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The weights of a set of DNS records, one for each region: shift, evacuate, ramp, drain and take back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_weight
short_description: Move whole regions in and out of traffic by the weights of a set of DNS records
version_added: 0.1.0
description:
  - Works on the weighted set of a name, which is the records of all regions together. Every change is one batch.
  - Guards are asked before the first write. All that refuse are told at once, with value, limit and the name to give to
    O(override).
  - A change is read back, and proved by counting real answers of the authority. Caching resolvers are asked for TTL and
    membership alone, because one resolver gives one answer to all of its clients.
  - The drain of a region ends by its own request rate, and by the clock only where nobody sees that.
  - Inside a release every write is journaled in the fleet's cluster before and after, and can be taken back.
  - Inside a release nothing is sent after its lock may have been taken over. A task that is run again waits until the
    change of one that was killed is everywhere.
  - One process of a controller at a time works on a set.
author:
  - Pincex release engineering (@pincex)
requirements:
  - dnspython >= 2.6
  - boto3 (with O(provider=route53))
extends_documentation_fragment:
  - pincex.zero_downtime._cluster
  - pincex.zero_downtime._unreachable
  - pincex.zero_downtime._release
  - pincex.zero_downtime._metric_provider
  - pincex.zero_downtime._dns_provider
  - pincex.zero_downtime._attributes
attributes:
  check_mode:
    support: full
    details:
      - All guards are asked, and RV(batch) is exactly what would be written. Neither provider nor journal is written
        to, and no answers are counted.
      - O(state=drained) looks once.
  idempotent:
    support: partial
    details:
      - O(state=shifted) is relative and O(state=ramped) goes on by a step with every task. The same O(step) of a
        O(release) does not shift twice.
options:
  state:
    description: What to do.
    type: str
    required: true
    choices:
      absolute: Give the regions of O(weights) these weights; the others keep theirs. A set that is not there is made of
        O(members).
      shifted: Move O(shift.points) percent of all answers from one region to another.
      evacuated: Give O(regions) the weight 0, in one batch. The others take over in the ratio that they have.
        The guards C(max_step) and C(many_changes) are not asked.
      ramped: Lead O(regions) up by one of O(steps), the smallest one that gives a region more than it has. RV(ramp)
        says whether it is done. A release of kind C(deploy) is refused a region that somebody else has evacuated since.
      drained: Change nothing; wait until O(regions), which have weight 0, are drained.
      restored: Take back what O(release) did to the set. A region whose weight somebody else has changed since stays
        as it is, and so does one that is unhealthy or O(behind). The sum never becomes 0.
      status: Change nothing; return the set. The fleet's cluster is not asked.
  name:
    description: The name of the set.
    type: str
    required: true
  type:
    description: The type of its records.
    type: str
    choices: [A, AAAA, CNAME]
    default: A
  full:
    description:
      - The weights of the environment when all is well. With O(state=ramped) 100 percent of each region.
      - Where it is given it has to name every region of the set.
    type: dict
    default: {}
  weights:
    description: Weights by region for O(state=absolute). 0 is a weight.
    type: dict
    default: {}
  shift:
    description: What O(state=shifted) moves.
    type: dict
    suboptions:
      from:
        description: The region that gives.
        type: str
        required: true
      to:
        description: The region that takes.
        type: str
        required: true
      points:
        description:
          - How much of all answers, in percent. The sum of the weights stays, so a sum of 100 shows whole points
            exactly; otherwise they are rounded by the largest remainder.
        type: float
        required: true
  regions:
    description: The regions of O(state=evacuated), O(state=ramped) and O(state=drained).
    type: list
    elements: str
    default: []
  steps:
    description: The steps of a ramp in percent of O(full), rising. The last one is always 100.
    type: list
    elements: int
    default: [5, 25, 50, 100]
  members:
    description:
      - By region what the set is made of when there is none, C(targets) (a list of addresses, or one name for
        O(type=CNAME)) and C(health) (a URL, or for Route 53 the id of a health check).
      - C(capacity_rps) is what the region takes in requests per second, for the guard C(capacity).
    type: dict
    default: {}
  ttl:
    description: The TTL of a set that is made, in seconds. One that is there keeps its own.
    type: int
    default: 30
  min_regions:
    description: A change may not leave fewer healthy regions with a weight, unless there were no more before.
    type: int
    default: 1
  max_step:
    description: By how many points the share of a region may change at once.
    type: float
    default: 25.0
  max_changed:
    description: How many percent of the records may change at once, in a set of 10 or more.
    type: float
    default: 30.0
  override:
    description:
      - Guards that may refuse in vain. Those that did are in RV(overridden) and in the journal.
      - The guard C(sum_zero) has no override.
    type: list
    elements: str
    choices: [last_region, min_regions, max_step, unhealthy, capacity, changed, owner, revision, ttl, many_changes]
    default: []
  behind:
    description: Regions that are not on the environment's revision. The guard C(revision) refuses them more weight.
    type: list
    elements: str
    default: []
  load:
    description:
      - The load of all regions together, for the guard C(capacity). Without a number it refuses, but an evacuation,
        which is warned.
    type: dict
    suboptions:
      query:
        description: PromQL that gives requests per second as one series or a scalar.
        type: str
        required: true
  verify:
    description:
      - How the answers are proved. Without it the authority is asked 2000 times after a change, and not at all with
        O(state=status).
    type: dict
    suboptions:
      queries:
        description: How often the authority is asked. 0 asks nothing.
        type: int
        default: 2000
      resolvers:
        description: Caching resolvers, each as C(HOST:PORT).
        type: list
        elements: str
        default: []
  observe:
    description:
      - How O(state=drained) sees a region. Measure outside of it, because a region that is away counts nothing.
    type: dict
    suboptions:
      queries:
        description: PromQL by region that gives its requests per second as one series or a scalar.
        type: dict
        default: {}
      connections:
        description: PromQL by region that gives its open connections. They are told, and not waited for.
        type: dict
        default: {}
      below:
        description: The share of its baseline below which a region is drained.
        type: float
        default: 0.02
      baseline_s:
        description:
          - How long before the evacuation the baseline is taken, in seconds; the median counts. The evacuation is when
            the journal of O(release) says, or else the beginning of this task.
        type: float
        default: 60.0
      slack_s:
        description: What clients get on top of the TTL, in RV(safe_after) and where a region is not seen.
        type: float
        default: 5.0
  deadline_s:
    description: When to give up, in seconds.
    type: float
    default: 300.0
seealso:
  - module: pincex.zero_downtime.drain_trading
  - module: pincex.zero_downtime.release_journal
"""

EXAMPLES = r"""
- name: What is there
  pincex.zero_downtime.dns_weight:
    state: status
    name: api.pincex.test.
    provider: powerdns
    powerdns: &powerdns
      url: http://198.18.0.53:8081
      zone: pincex.test.
      api_key_file: /run/secrets/powerdns
      authority: 198.18.0.53:53
    verify: {queries: 2000}
    context: management
    namespace: pincex-fleet

- name: Make the set
  pincex.zero_downtime.dns_weight:
    state: absolute
    name: api.pincex.test.
    provider: powerdns
    powerdns: *powerdns
    weights: {us-east-1: 50, eu-west-1: 50}
    members:
      us-east-1: {targets: [198.18.1.2], health: "http://198.18.1.2/health/ready"}
      eu-west-1: {targets: [198.18.2.2], health: "http://198.18.2.2/health/ready"}
    ttl: 30
    context: management
    namespace: pincex-fleet

- name: Ten points of the answers to Europe
  pincex.zero_downtime.dns_weight:
    state: shifted
    name: api.pincex.test.
    provider: route53
    route53: {zone_id: Z2FDTNDATAQYW2}
    shift: {from: us-east-1, to: eu-west-1, points: 10}
    context: management
    namespace: pincex-fleet

- name: Take a region out, if the other one takes its load
  pincex.zero_downtime.dns_weight:
    state: evacuated
    step: evacuate us-east-1
    name: api.pincex.test.
    provider: powerdns
    powerdns: *powerdns
    regions: [us-east-1]
    members:
      us-east-1: {capacity_rps: 1000}
      eu-west-1: {capacity_rps: 1000}
    load: {query: 'sum(rate(requests_total[30s]))'}
    prometheus: {url: "http://198.18.2.2:9090"}
    verify: {queries: 2000, resolvers: ["198.18.0.54:53"]}
    release: "{{ fleet.release }}"
    context: management
    namespace: pincex-fleet
  when: fleet is defined

- name: Wait until nobody comes any more
  pincex.zero_downtime.dns_weight:
    state: drained
    step: drain us-east-1
    name: api.pincex.test.
    provider: powerdns
    powerdns: *powerdns
    regions: [us-east-1]
    observe:
      queries: {us-east-1: 'sum(rate(requests_total{region="us-east-1"}[10s]))'}
      connections: {us-east-1: 'sum(open_connections{region="us-east-1"})'}
    prometheus: {url: "http://198.18.2.2:9090"}
    release: "{{ fleet.release }}"
    context: management
    namespace: pincex-fleet
  when: fleet is defined

- name: Bring it back, a step with each task
  pincex.zero_downtime.dns_weight:
    state: ramped
    name: api.pincex.test.
    provider: powerdns
    powerdns: *powerdns
    regions: [us-east-1]
    full: {us-east-1: 50, eu-west-1: 50}
    steps: [5, 25, 50, 100]
    context: management
    namespace: pincex-fleet
  register: back
  until: (back.ramp or {}).done | default(false)
  retries: 4
  delay: 40

- name: Take back what a release did to the weights
  pincex.zero_downtime.dns_weight:
    state: restored
    step: take back
    name: api.pincex.test.
    provider: powerdns
    powerdns: *powerdns
    release: "{{ fleet.release }}"
    context: management
    namespace: pincex-fleet
  when: fleet is defined
"""

RETURN = r"""
set:
  description:
    - The set as it was found, with C(name), C(type), C(ttl) in seconds and C(members) by region; null when there is
      none.
  returned: always
  type: dict
  sample:
    name: api.pincex.test.
    type: A
    ttl: 30
    members:
      us-east-1: {weight: 50, targets: [198.18.1.2], alias: null, health: "http://198.18.1.2/health/ready"}
weights:
  description: The weights of all regions before and after. C(before) is null for a set that was made.
  returned: always
  type: dict
  sample: {before: {us-east-1: 50, eu-west-1: 50}, after: {us-east-1: 0, eu-west-1: 50}}
shares:
  description: Which part of the answers each region gets by its weight, from 0 to 1.
  returned: always
  type: dict
  sample: {before: {us-east-1: 0.5, eu-west-1: 0.5}, after: {us-east-1: 0.0, eu-west-1: 1.0}}
batch:
  description: Exactly what went to the provider, or would go there in check mode; null when there was nothing to write.
  returned: always
  type: dict
change_id:
  description: The provider's id of the change; null without one, also when the answer to the write was lost.
  returned: always
  type: str
guards:
  description: What each guard said, in their order. Empty when there was nothing to change.
  returned: always
  type: list
  elements: dict
  sample:
    - guard: max_step
      refused: true
      reason: the share of us-east-1 would go from 50 % to 0 %, by 50 points, and max_step is 25; go in smaller steps
      overridden: true
overridden:
  description: The guards that refused and were overridden.
  returned: always
  type: list
  elements: str
healthy:
  description: What the provider, or the URL that it asks, says about each region; null when nobody knows.
  returned: always
  type: dict
  sample: {us-east-1: true, eu-west-1: true}
verified:
  description:
    - The answers that were counted. C(p) is the probability of such C(counts) or worse ones under the weights, by a
      chi-square test; above 0.001 is good.
    - C(resolvers) has the C(ttl) and the C(counts) of each resolver.
  returned: always
  type: dict
  sample: {queries: 2000, p: 0.31, counts: {us-east-1: 1022, eu-west-1: 978}, resolvers: {}}
safe_after:
  description:
    - From when on no resolver that keeps to the TTL has an answer from before the change. Null when nothing changed.
  returned: always
  type: str
  sample: "2027-01-15T08:00:35Z"
ramp:
  description: The step of O(state=ramped) that holds after this task, in percent of O(full), and the C(next) one.
  returned: always
  type: dict
  sample: {step: 25, next: 50, done: false}
drained:
  description:
    - By region how its drain ended. C(word) is V(observed) or V(unobserved), and null when it has not ended. C(rate) is
      the last one in requests per second, C(connections) how many are open; both are null when they were not seen.
  returned: always
  type: dict
  sample: {us-east-1: {observed: true, word: observed, rate: 0.4, waited_s: 34.0, connections: 12}}
kept:
  description: A sentence for everything that O(state=restored) left as it is.
  returned: always
  type: list
  elements: str
warnings:
  description: What could not be known, and what is left to do.
  returned: always
  type: list
  elements: str
verdict:
  description:
    - V(pass); V(fail) when the change was refused, did not go through or is not proved, or a region still has requests;
      V(hold) when nobody could see enough; V(none) when there is no set.
    - Only O(state=status) succeeds with V(fail), and only check mode of O(state=drained) with V(hold).
  returned: always
  type: str
  sample: pass
reason:
  description: Why, in one sentence.
  returned: always
  type: str
  sample: "api.pincex.test. A: eu-west-1 50, us-east-1 0, which is eu-west-1 100 %, us-east-1 0 %"
error:
  description: What went wrong.
  returned: failure
  type: dict
  sample: {kind: refused, system: guard, region: null, retriable: false}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.entry import run_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.run import ARGUMENT_SPEC, EMPTY_RESULT, run


def main() -> None:
    """Entry of the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run, EMPTY_RESULT)


if __name__ == "__main__":
    main()
