# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new version of a model beside the one that serves: copied to, judged, promoted or taken back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: model_shadow
short_description: Bring a new version of a model into use beside the old one, on live traffic, judged by evidence
version_added: 0.1.0
description:
  - The champion of a model serves. Its challenger gets copies of requests (a shadow), a growing part of the traffic (a
    canary), or the users of some buckets (A/B). It is promoted with evidence, and taken back without.
  - With O(route) a task works on a region, whose HTTPRoute O(model) sends to the Services C(MODEL-blue) and
    C(MODEL-green). Weights, copies, the rule for buckets, and the annotation C(pincex.io/model), which says who is the
    challenger and how far it has come, are written together.
  - Without O(route) a task works on the registry of the fleet, whose aliases C(champion), C(previous_champion) and
    C(challenger) it moves. A registry has no compare-and-swap, so everything is read again right before each write,
    under the lock of the fleet, and a task that was killed is finished or taken back by the next one.
  - A shadow begins only where its copies can have no side effects. Its pods may not reach the network, hold no Secret
    and no token of their ServiceAccount, and only requests of O(mirror.paths) are copied.
  - That a gateway has accepted a mirror is no proof. RV(coverage) has how many copies were answered.
  - The pods of the versions are not this module's, see M(pincex.zero_downtime.k8s_revision).
author:
  - Pincex release engineering (@pincex)
requirements: ["redis >= 6 (with O(sources[].redis))"]
extends_documentation_fragment:
  - pincex.zero_downtime._cluster
  - pincex.zero_downtime._unreachable
  - pincex.zero_downtime._release
  - pincex.zero_downtime._model_registry
  - pincex.zero_downtime._model_sources
  - pincex.zero_downtime._model_judge
  - pincex.zero_downtime._model_take_back
  - pincex.zero_downtime._attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is written, neither to a cluster nor to the registry nor to O(report), and no answers are counted.
  idempotent:
    support: full
    details:
      - O(state=stepped) names the weight of the step, so the same task does not take one more.
options:
  state:
    description: What to do.
    type: str
    default: deployed
    choices:
      deployed: O(version) is the challenger from now on. With O(route) it gets the first step of O(strategy) in
        O(slot), without the alias C(challenger).
      stepped: The challenger gets the next step, which is O(weight). Needs O(route).
      judged: Change nothing but O(report) and what O(take_back) says; compare both versions by what O(sources) have
        since the step began, and say what is next. With O(route) the annotation says who is judged and since when, else
        the aliases and the history of the registry. Without either O(version), O(champion) and O(since) do.
      promoted: The challenger gets all of the traffic and stays noted, so that it can be watched; without O(route) it
        gets the alias C(champion), and the champion C(previous_champion).
      rolled_back: The champion, or after a promotion the one before, gets all of the traffic, and no copy is sent any
        more. Without O(route) O(version) loses its alias; a champion gives it back to the previous one.
      restored: Take back what O(release) did to the traffic here, three-way. A version that it brought gets nothing
        in any case; what somebody else changed since stays and is in RV(kept). Needs O(route).
      status: Change nothing; return what is there.
  model:
    description: The name of the model, which is also that of its HTTPRoute.
    type: str
    required: true
  version:
    description:
      - The version that the task is about. Aliases take its name, which is the tag C(version) in the registry, or its
        number there.
      - With O(route) and another state than V(deployed) it may be left out. Where it is given it has to be the one
        that is noted on the route.
    type: str
  champion:
    description:
      - The version beside which it is judged. With O(state=deployed) it is noted on the route. In the registry another
        champion than this one refuses a challenger and a promotion.
      - Without it the annotation or the alias says who it is.
    type: str
  slot:
    description: Where the challenger's pods are.
    type: str
    choices: [blue, green]
  strategy:
    description:
      - With V(shadow) the challenger gets copies and no traffic. With V(canary) it gets O(steps), with V(ab) the
        users of the first O(percent) of 100 buckets, and with V(direct) everything at once, in an emergency.
    type: str
    choices: [shadow, canary, ab, direct]
    default: shadow
  percent:
    description:
      - With O(strategy=shadow) how many percent of the requests are copied, 10 when it is not given. With
        O(strategy=ab) how many of 100 buckets, 50 when it is not given. The other strategies have none.
    type: float
  steps:
    description: The weights of O(strategy=canary) in percent, rising. The last one is 100.
    type: list
    elements: int
    default: [5, 25, 50, 100]
  bucket_header:
    description:
      - The header in which callers say the bucket of a user with O(strategy=ab), V(00) to V(99). It has to be the
        same one for the same user at any time. A request without it goes to the champion.
    type: str
    default: x-model-bucket
  weight:
    description:
      - With O(state=stepped) the weight of the next step, as RV(next) of a judgement has it.
      - With O(state=judged) and no O(route) the weight that the challenger has, where that is not the first one. It
        needs O(since).
    type: int
  mirror:
    description: What is copied with O(strategy=shadow).
    type: dict
    suboptions:
      paths:
        description: The paths of requests that may be sent twice, as V(/predict), or V(/v1/predict/*) with all below.
          Everything, V(/*), is refused.
        type: list
        elements: str
        default: []
      method:
        description: Their method. Empty for any.
        type: str
        default: POST
      strip_headers:
        description:
          - Headers that these requests lose while they are copied. They lose them on the way to the champion as well,
            because the Gateway API has no filter for the copy alone.
        type: list
        elements: str
        default: [authorization, cookie]
  route:
    description: Work on the route of a region. An empty mapping is enough.
    type: dict
    suboptions:
      probe:
        description: How the weights are proved, by answers that name their slot in the header C(x-slot).
        type: dict
        suboptions:
          url:
            description: The gateway. The host name of the route goes into the C(Host) header.
            type: str
            required: true
          path:
            description: What to ask for. It should be cheap and change nothing.
            type: str
            default: /health/ready
          requests:
            description: How many requests are counted.
            type: int
            default: 60
          timeout_s:
            description: How long the data plane may take to do as it was told.
            type: float
            default: 5.0
          ca_cert:
            description: A file with the authorities to trust.
            type: path
  since:
    description: From when on evidence counts with O(state=judged), in unix seconds, instead of the beginning of the
      step.
    type: float
  report:
    description: A file of the controller for the page that O(state=judged) writes. The folder has to exist.
    type: path
  fail_on:
    description: Verdicts of O(state=judged) with which the task fails.
    type: list
    elements: str
    choices: [fail, hold]
    default: []
  override:
    description:
      - Checks for side effects that may refuse a shadow in vain. Those that did are in RV(overridden).
    type: list
    elements: str
    choices: [egress, secrets, token]
    default: []
  actor:
    description: Who does it, for the history of the registry and the journals of O(take_back).
    type: str
  reason:
    description: Why, for the history of the registry and the journals of O(take_back).
    type: str
  deadline_s:
    description: When to give up, in seconds.
    type: float
    default: 60.0
seealso:
  - module: pincex.zero_downtime.k8s_traffic
  - module: pincex.zero_downtime.k8s_revision
  - module: pincex.zero_downtime.release_journal
"""

EXAMPLES = r"""
- name: A shadow of ten percent, in a region
  pincex.zero_downtime.model_shadow:
    state: deployed
    model: price-prediction
    version: v2.1.0
    champion: v2.0.0
    slot: green
    mirror: {paths: [/predict]}
    route: {}
    release: "{{ opened.release }}"
    context: us-east-1
    namespace: exchange

- name: The same version has the alias challenger, in the fleet
  pincex.zero_downtime.model_shadow:
    state: deployed
    model: price-prediction
    version: v2.1.0
    champion: v2.0.0
    registry: {url: "https://mlflow.pincex.test", token_file: /run/secrets/mlflow}
    actor: anna
    reason: trained on May
    release: "{{ fleet.release }}"
    context: management
    namespace: pincex-fleet

- name: What the evidence says, with a page
  pincex.zero_downtime.model_shadow:
    state: judged
    model: price-prediction
    route: {}
    sources:
      - name: redis
        redis:
          url: rediss://redis.pincex.test:6379
          username: judge
          password_file: /run/secrets/redis
          ca_cert: /etc/ssl/pincex.pem
    judge:
      labels: {maturity_s: 300, tolerance: 0.001}
    report: /var/lib/pincex/price-prediction.html
    context: us-east-1
    namespace: exchange
  register: looked

- name: The same, and back in a second when it is worse
  pincex.zero_downtime.model_shadow:
    state: judged
    model: price-prediction
    route: {}
    sources:
      - {name: lines, json_lines: {url: "https://records.pincex.test/records/{model}"}}
    take_back:
      fleet: {context: management, namespace: pincex-fleet, unreachable_s: 5}
      regions:
        - {context: us-east-1, namespace: exchange, unreachable_s: 5}
        - {context: eu-west-1, namespace: exchange, unreachable_s: 5}
    actor: anna
    reason: watched
    context: us-east-1
    namespace: exchange

- name: The next step of a canary
  pincex.zero_downtime.model_shadow:
    state: stepped
    model: price-prediction
    version: v2.1.0
    weight: "{{ looked.next.weight }}"
    route:
      probe: {url: "http://198.18.1.2"}
    release: "{{ opened.release }}"
    context: us-east-1
    namespace: exchange
  when: looked.next.action == 'advance'

- name: It is the champion, in a region
  pincex.zero_downtime.model_shadow:
    state: promoted
    model: price-prediction
    version: v2.1.0
    route: {}
    release: "{{ opened.release }}"
    context: us-east-1
    namespace: exchange

- name: It is the champion, in the registry
  pincex.zero_downtime.model_shadow:
    state: promoted
    model: price-prediction
    version: v2.1.0
    champion: v2.0.0
    registry: {url: "https://mlflow.pincex.test", token_file: /run/secrets/mlflow}
    actor: anna
    reason: better on all pairs
    release: "{{ fleet.release }}"
    context: management
    namespace: pincex-fleet

- name: Back, now
  pincex.zero_downtime.model_shadow:
    state: rolled_back
    model: price-prediction
    route: {}
    context: us-east-1
    namespace: exchange

- name: Take back what a release did to the traffic here
  pincex.zero_downtime.model_shadow:
    state: restored
    model: price-prediction
    route: {}
    release: "{{ opened.release }}"
    context: us-east-1
    namespace: exchange

- name: Who is the champion, and who was
  pincex.zero_downtime.model_shadow:
    state: status
    model: price-prediction
    registry: {url: "https://mlflow.pincex.test", token_file: /run/secrets/mlflow}
    context: management
    namespace: pincex-fleet
"""

RETURN = r"""
traffic:
  description:
    - With O(route) what the route gives to the slots, before and after. With O(state=judged) it is that which was
      judged. C(weights) are percent, C(mirror) and
      C(buckets) are null where there are none.
  returned: always
  type: dict
  sample:
    before: {weights: {blue: 100, green: 0}, mirror: null, buckets: null}
    after: {weights: {blue: 100, green: 0}, mirror: {slot: green, percent: 10.0}, buckets: null}
aliases:
  description:
    - With O(registry) the version behind each alias, before and after, by its name, or by its number where it has none.
      Null for an alias that points nowhere.
  returned: always
  type: dict
  sample:
    before: {champion: v2.0.0, previous_champion: v1.9.0, challenger: v2.1.0}
    after: {champion: v2.1.0, previous_champion: v2.0.0, challenger: null}
note:
  description:
    - What is noted on the route after the task, null where there is no challenger. C(step) is the index of the weight
      that it has in C(weights), C(since) when the step or the promotion was and C(began) when it came, both in unix
      seconds.
    - After a promotion C(promoted) is true, C(slot) is where the new champion is, and C(champion) the one before.
  returned: always
  type: dict
  sample:
    challenger: v2.1.0
    champion: v2.0.0
    slot: green
    strategy: canary
    step: 1
    weights: [5, 25, 50, 100]
    since: 1800000600.0
    began: 1800000000.0
    promoted: false
answers:
  description: The answers that O(route.probe) has counted, by slot.
  returned: always
  type: dict
verdict:
  description:
    - With O(state=judged) V(pass), V(fail) when the challenger is proven to be worse than it may be, V(hold) when
      there is too little evidence for either, and V(none) when there is no challenger.
    - Otherwise V(pass), V(fail) when the task has failed, and V(none) when O(state=status) has found no challenger,
      or no such model.
  returned: always
  type: str
  sample: pass
reason:
  description: Why, in one sentence.
  returned: always
  type: str
  sample: "price-prediction in us-east-1: blue 0, green 100, v2.1.0 in green is the champion since 2027-01-15T08:00:00Z"
judged:
  description:
    - With O(state=judged) who was judged, and where it is. C(weight) is percent of the traffic.
    - C(evidence_since) is when what was judged begins. That is when the step began, and later where more than a million
      answers and labels came since.
  returned: always
  type: dict
  sample:
    champion: v2.0.0
    challenger: v2.1.0
    strategy: canary
    weight: 25
    since: "2027-01-15T08:10:00Z"
    promoted: false
    evidence_since: "2027-01-15T08:10:00Z"
checks:
  description:
    - With O(state=judged) what each check says, with its evidence. C(segment) is the one that the verdict rests on,
      empty for all.
  returned: always
  type: list
  elements: dict
  sample:
    - name: versus
      verdict: fail
      reason: worse in segment SOL-USD/sell
      segment: SOL-USD/sell
worst:
  description: The segment where the challenger is worst; empty where none was seen.
  returned: always
  type: str
  sample: SOL-USD/sell
coverage:
  description:
    - With O(state=judged) how many requests were answered by whom. C(arrived) is the share of the champion's requests
      that the challenger has answered too, which says whether the gateway mirrors at all.
  returned: always
  type: dict
  sample: {paired: 998, sampled: 1000, champion: 10000, challenger: 1000, mirrored: 0.1, arrived: 0.1}
next:
  description:
    - With O(state=judged) what is to be done. C(action) is V(wait), V(advance) (O(state=stepped) with C(weight)),
      V(ready) (the strategy ends here, and it may be promoted), V(promote) or V(roll_back).
    - C(needs) has what has to hold before the step after it.
  returned: always
  type: dict
  sample: {action: advance, weight: 50, reason: all checks pass,
    needs: ["the comparison passes on what is seen at 50 %"]}
taken_back:
  description:
    - With O(take_back) what was taken back, null when nothing was to be. C(decided_at) is when, in unix seconds.
    - C(fleet) has C(verdict) (V(opened), V(refused) when somebody else works there, V(unreachable) or V(failed)),
      C(reason), and C(release), the journal that is open, null without one.
    - C(regions) has for each region the same with the verdicts V(rolled_back), V(refused), V(unreachable) and
      V(failed), and besides C(traffic) before and after, the C(note) that was there, C(kept), C(changed), and
      C(served_at), when its gateway had accepted the route, in unix seconds; null when it was too slow to.
    - In check mode it says what would be, without C(release) and C(served_at).
  returned: always
  type: dict
  sample:
    decided_at: 1800000060.0
    fleet: {verdict: unreachable, release: null, reason: "fleet: connection refused"}
    regions:
      us-east-1:
        verdict: rolled_back
        release: {id: 20270115t080100z-model}
        reason: "price-prediction in us-east-1: blue 100, green 0, no challenger"
        traffic:
          before: {weights: {blue: 75, green: 25}, mirror: null, buckets: null}
          after: {weights: {blue: 100, green: 0}, mirror: null, buckets: null}
        note: {challenger: v2.1.0, champion: v2.0.0}
        kept: []
        changed: true
        served_at: 1800000060.2
reigns:
  description: With O(state=status) who was the champion when, the oldest first. Null for what nobody wrote down.
  returned: always
  type: list
  elements: dict
  sample:
    - {version: v2.0.0, since: "2026-11-02T09:00:00Z", until: null, actor: anna, reason: better on all pairs}
overridden:
  description: The checks for side effects that refused and were overridden.
  returned: always
  type: list
  elements: str
report:
  description: The page that was written.
  returned: always
  type: str
kept:
  description: A sentence for everything that O(state=restored) left as somebody else had made it.
  returned: always
  type: list
  elements: str
warnings:
  description: What could not be known, and what is left to do.
  returned: always
  type: list
  elements: str
error:
  description: What went wrong.
  returned: failure
  type: dict
  sample: {kind: refused, system: models, region: null, retriable: false}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.entry import run_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.run import ARGUMENT_SPEC, EMPTY_RESULT, run


def main() -> None:
    """Entry of the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run, EMPTY_RESULT)


if __name__ == "__main__":
    main()
