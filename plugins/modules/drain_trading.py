# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop an exchange and prove its book, hand it over to a new engine, and let it trade again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: drain_trading
short_description: Stop an exchange's trading with a proof of its book, or hand it over to a new engine
version_added: 0.1.0
description:
  - Drains the matching engine of an exchange, or hands its book over to a second engine under live orders, and proves
    by nine invariants that no order, trade or balance is lost.
  - Any failure before the point of no return puts the engine back into its old mode, and the message says so. That
    point is the first closed session of a full drain, and the new epoch of a handover.
  - An engine or gateway that the controller cannot reach is given as a pod. Requests then go through the API server's
    proxy of that pod, with the credentials of O(kubeconfig).
  - It speaks the control contract in C(docs/control-api.yaml). O(contract) maps every request and every field of an
    answer, so that another exchange needs no other module.
  - Requests are tried again on connection loss, 429 and 5xx. A write carries one command id in all its tries.
author:
  - Pincex release engineering (@pincex)
extends_documentation_fragment:
  - pincex.zero_downtime._cluster
  - pincex.zero_downtime._release
  - pincex.zero_downtime._attributes
attributes:
  check_mode:
    support: full
    details:
      - Reads the status of engines and gateways, and says in RV(steps) what would be done.
requirements:
  - urllib3 >= 2.2
  - jmespath >= 1.0
options:
  context:
    description:
      - The context of O(kubeconfig) to use. Needed with O(release), O(workload) and pods.
      - With it and O(namespace) but no O(release), the task is refused while an unfinished release is in the namespace.
    type: str
    required: false
  namespace:
    description: The namespace to work in. Needed with O(release), O(workload) and pods.
    type: str
    required: false
  state:
    description: What to do.
    type: str
    required: true
    choices:
      drained: Bring trading to a halt (O(way=full)) or hand it over (O(way=handover)).
      online: Verify the book, then go from C(cancel_only) over C(post_only) to C(online).
      finished: End the warm standby after a handover. The leader may then write its own format, which the old engine
        may not be able to read, so there is no handover back any more.
      status: Change nothing; return everything that is known.
      restored: Take back what O(release) has handed over, by a handover in reverse with the same proof. The journal of
        the release says who led before and how everybody is reached, so no other option counts. A cut that is pending
        is waited for. Nothing is done when the engine that led before leads.
      permitted: Change nothing and ask no engine. Fails unless the user may do all that a handover with these options
        needs of the API server, and names what is missing.
  way:
    description: How to drain.
    type: str
    default: full
    choices:
      full: Announce, C(cancel_only), nothing in flight, everything settled, a snapshot that a second engine proves;
        then close the sessions and take the gateways out of service.
      handover: O(new_engine) follows the journal, gets the tail at the cut, is compared, and opens the next epoch.
        Sessions stay open.
  engine:
    description:
      - The engine that trades. With O(state=online) and O(state=finished) the one that leads.
      - Needed for all but O(state=restored).
    type: dict
    suboptions:
      url:
        description: Where the controller reaches its control endpoints. This or O(engine.pod).
        type: str
      pod:
        description: The name of its pod in O(namespace), which is asked through the API server's proxy.
        type: str
      port:
        description: The pod's port of the control endpoints.
        type: int
        default: 8080
      peer_url:
        description:
          - Where other engines reach it, if that is another address than O(engine.url).
          - With O(engine.pod) it is the pod's own address, read whenever it is needed. A new pod has another one.
        type: str
  new_engine:
    description: The second engine. Needed for O(way=handover).
    type: dict
    suboptions:
      url:
        description: Where the controller reaches its control endpoints. This or O(new_engine.pod).
        type: str
      pod:
        description: The name of its pod in O(namespace), which is asked through the API server's proxy.
        type: str
      port:
        description: The pod's port of the control endpoints.
        type: int
        default: 8080
      peer_url:
        description:
          - Where other engines reach it, if that is another address than O(new_engine.url).
          - With O(new_engine.pod) it is the pod's own address, read whenever it is needed. A new pod has another one.
        type: str
  prove:
    description:
      - The engine that loads the snapshot of O(way=full) and proves it. Without it O(new_engine) does.
      - It loads the snapshot beside its own state.
    type: dict
    suboptions:
      url:
        description: Where the controller reaches its control endpoints. This or O(prove.pod).
        type: str
      pod:
        description: The name of its pod in O(namespace), which is asked through the API server's proxy.
        type: str
      port:
        description: The pod's port of the control endpoints.
        type: int
        default: 8080
  gateways:
    description:
      - The gateways of the region. All of them, because they count the orders in flight.
      - Without any, and without O(gateway_pods), C(I2) and C(I9) have to be in O(allow_unknown).
    type: list
    elements: dict
    default: []
    suboptions:
      url:
        description: Where the controller reaches its control endpoints.
        type: str
        required: true
  gateway_pods:
    description:
      - The gateways of the region as pods, asked through the API server's proxy.
      - Every pod counts that runs and does not end. The list is read again right before the cut and during it. A pod
        that is gone by then has no order in flight and is left out, with a warning.
    type: list
    elements: dict
    default: []
    suboptions:
      selector:
        description: The labels of the pods, as a label selector.
        type: str
        required: true
      port:
        description: Their port of the control endpoints.
        type: int
        default: 8080
  contract:
    description:
      - What is different from C(docs/control-api.yaml), as C(engine.CALL) and C(gateway.CALL).
      - A call has C(method), C(path), C(query), C(body), C(root) (a JMESPath that is read first), C(answer) (a JMESPath
        for each field) and C(offered) (V(false) for what the exchange does not have).
      - Path, query and body hold values as C({name}). A text that is nothing else keeps the type of its value.
      - C(modes) gives the exchange's own words for C(online), C(post_only), C(cancel_only) and C(halted).
    type: dict
  reason:
    description:
      - Why, as clients are told.
      - It is also how a second run knows its own announcement. One with another reason is somebody else's drain, which
        is not interfered with.
    type: str
    default: maintenance
  mode:
    description: The mode in which O(way=full) leaves the engine.
    type: str
    default: cancel_only
    choices: [cancel_only, halted]
  announce_s:
    description: How long clients are told before trading stops, in seconds.
    type: float
    default: 0.0
  deadline_s:
    description: How long everything may take at the most, in seconds. Refused when the steps do not fit into it.
    type: float
    default: 600.0
  step_s:
    description: How long each step may take, in seconds.
    type: dict
    suboptions:
      in_flight:
        description: Until no order is in flight.
        type: float
        default: 10.0
      settlement:
        description: Until every trade is settled.
        type: float
        default: 60.0
      snapshot:
        description: The snapshot.
        type: float
        default: 60.0
      prove:
        description: One proof.
        type: float
        default: 120.0
      sessions:
        description: To close the sessions; in a handover, until all gateways send to the new engine.
        type: float
        default: 60.0
      catch_up:
        description: Until the new engine is at most O(max_lag) events behind.
        type: float
        default: 60.0
  polls:
    description: How often in a row nothing may be in flight.
    type: int
    default: 3
  allow_unsettled:
    description:
      - How many trades may be left unsettled by O(way=full). They are in RV(unsettled).
      - A handover carries them over and proves it, so it needs none.
    type: int
    default: 0
  allow_unknown:
    description: Invariants that need not be known, for an exchange that cannot tell. A failed one always fails.
    type: list
    elements: str
    choices: [I1, I2, I3, I4, I5, I6, I7, I8, I9]
    default: []
  emergency:
    description:
      - With O(way=full), halt first and announce after. What cannot be waited for or proved is told in RV(warnings).
      - Journal and snapshot are not left out. It never goes back online by itself.
    type: bool
    default: false
  cut_deadline_s:
    description:
      - How long the cut of a handover holds, in seconds. When nobody has opened the next epoch by then, the old engine
        trades again by itself.
    type: float
    default: 10.0
  max_lag:
    description: How many events the new engine may be behind before the cut.
    type: int
    default: 1000
  min_disk_free_mb:
    description: How much disk an engine needs, in MiB.
    type: int
    default: 512
  close:
    description: How the gateways close WebSocket sessions, so that clients do not all come again at once.
    type: dict
    suboptions:
      waves:
        description: In how many waves.
        type: int
        default: 10
      jitter_s:
        description: How much a wave is spread, in seconds.
        type: float
        default: 1.0
  resume:
    description: How long O(state=online) stays in each mode, in seconds.
    type: dict
    suboptions:
      cancel_only_s:
        description: In C(cancel_only).
        type: float
        default: 60.0
      post_only_s:
        description: In C(post_only).
        type: float
        default: 60.0
  expected:
    description:
      - With O(state=online), the proof to verify against; RV(proofs) of the drain under C(before).
      - It is comparable when the engine stood still since, so with O(mode=halted).
    type: dict
  workload:
    description: The engine's workload. The full drain has to fit into its C(terminationGracePeriodSeconds).
    type: dict
    suboptions:
      kind:
        description: Its kind.
        type: str
        choices: [Deployment, StatefulSet]
        default: StatefulSet
      name:
        description: Its name.
        type: str
        required: true
  tls:
    description:
      - How to reach C(https) endpoints given as C(url), and as whom.
      - It does not hold for pods. The API server takes a bearer token for its own.
    type: dict
    suboptions:
      ca_cert:
        description: A file with the authorities to trust.
        type: path
      client_cert:
        description: A file with the client certificate.
        type: path
      client_key:
        description: A file with its key, if it is not in the same file.
        type: path
      token_file:
        description: A file with a bearer token, read again for every request.
        type: path
  timeout_s:
    description: How long one answer may take, in seconds, where O(step_s) does not say otherwise.
    type: float
    default: 5.0
seealso:
  - module: pincex.zero_downtime.release_journal
  - module: pincex.zero_downtime.k8s_traffic
"""

EXAMPLES = r"""
- name: Look
  pincex.zero_downtime.drain_trading:
    state: status
    engine: {url: "https://engine.us-east-1.example.com"}
    gateways:
      - {url: "https://core-api.us-east-1.example.com"}

- name: Hand the book over to the new version
  pincex.zero_downtime.drain_trading:
    state: drained
    way: handover
    reason: upgrade to v2
    step: matching-engine handover
    release: "{{ region.release }}"
    engine: {url: "https://engine-blue.us-east-1.example.com"}
    new_engine: {url: "https://engine-green.us-east-1.example.com"}
    gateways:
      - {url: "https://core-api.us-east-1.example.com"}
      - {url: "https://fix.us-east-1.example.com"}
    cut_deadline_s: 10
    tls:
      ca_cert: /etc/pincex/control-ca.pem
      client_cert: /etc/pincex/control.pem
      token_file: /run/secrets/control-token
    context: us-east-1
    namespace: exchange

- name: The same through the API server, which is all that this controller reaches
  pincex.zero_downtime.drain_trading:
    state: drained
    way: handover
    reason: upgrade to v2
    step: matching-engine handover
    release: "{{ region.release }}"
    engine: {pod: matching-engine-blue-0}
    new_engine: {pod: matching-engine-green-0}
    gateway_pods:
      - {selector: app.kubernetes.io/name=core-api}
    context: us-east-1
    namespace: exchange

- name: Ask before the release whether the user may do that
  pincex.zero_downtime.drain_trading:
    state: permitted
    engine: {pod: matching-engine-blue-0}
    new_engine: {pod: matching-engine-green-0}
    gateway_pods:
      - {selector: app.kubernetes.io/name=core-api}
    context: us-east-1
    namespace: exchange

- name: Take it back, in the rescue of the release
  pincex.zero_downtime.drain_trading:
    state: restored
    release: "{{ region.release }}"
    context: us-east-1
    namespace: exchange

- name: End the warm standby
  pincex.zero_downtime.drain_trading:
    state: finished
    engine: {url: "https://engine-green.us-east-1.example.com"}

- name: Drain for maintenance
  pincex.zero_downtime.drain_trading:
    state: drained
    way: full
    mode: halted
    reason: storage migration
    announce_s: 300
    deadline_s: 900
    engine: {url: "https://engine.us-east-1.example.com"}
    prove: {url: "https://engine-standby.us-east-1.example.com"}
    gateways:
      - {url: "https://core-api.us-east-1.example.com"}
    workload: {name: matching-engine}
    context: us-east-1
    namespace: exchange
  register: drain

- name: Trade again
  pincex.zero_downtime.drain_trading:
    state: online
    reason: storage migration
    engine: {url: "https://engine.us-east-1.example.com"}
    gateways:
      - {url: "https://core-api.us-east-1.example.com"}
    expected: "{{ drain.proofs.before }}"
    resume: {cancel_only_s: 120, post_only_s: 60}
"""

RETURN = r"""
state:
  description: Who leads in which mode, epoch and sequence number, and which gateways are in service, before and after.
  returned: always
  type: dict
  sample:
    before: {leader: engine-blue, mode: online, epoch: 7, sequence: 81220, ready: [true, true]}
    after: {leader: engine-green, mode: online, epoch: 8, sequence: 81305, ready: [true, true]}
mode:
  description: The mode of the leading engine at the end.
  returned: always
  type: str
  sample: online
steps:
  description: What was done, how long it took, and what came of it. In check mode, what would be done.
  returned: always
  type: list
  elements: dict
  sample:
    - {name: cut, seconds: 0.012, outcome: epoch 7 is closed at sequence 81290}
invariants:
  description:
    - The invariants with the verdict C(pass), C(fail) or C(unknown) and a sentence. C(differences) are at most 20, with
      the value of both sides. C(items) are the lines behind them, at most 20, asked for only where digests differ.
  returned: always
  type: list
  elements: dict
  sample:
    - id: I3
      name: open orders
      verdict: pass
      sentence: 10000 open orders are the same
      differences: []
      items: []
proofs:
  description:
    - The two proofs that were compared. C(before) is the old engine's or the one that was expected, C(after) the new
      one's or what runs now. One digest stands for all buckets.
  returned: always
  type: dict
  sample: {before: {sequence: 81290, epoch: 7}, after: {sequence: 81290, epoch: 7}}
unsettled:
  description: The ids of the trades that are not settled.
  returned: always
  type: list
  elements: str
verdict:
  description: C(pass), C(fail) or C(unknown) over all invariants; C(none) when nothing was judged.
  returned: always
  type: str
  sample: pass
reason:
  description: Why.
  returned: always
  type: str
matching_off:
  description:
    - How long nobody traded during a handover, in milliseconds. C(engines_ms) is by the engines' own answers, null when
      they do not say. C(at_most_ms) is by the controller's clock, from before the cut was sent until the opening was
      answered.
  returned: always
  type: dict
  sample: {engines_ms: 212, at_most_ms: 231, parts: {cut_ms: 14, proofs_ms: 160, acks_ms: 35, open_ms: 18}}
evidence:
  description: The last status of every engine and gateway, and what was measured on the way.
  returned: always
  type: dict
warnings:
  description: What was left, allowed or could not be known.
  returned: always
  type: list
  elements: str
error:
  description: What went wrong.
  returned: failure
  type: dict
  sample: {kind: not_proved, system: exchange, region: us-east-1, retriable: false}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.entry import run_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.run import ARGUMENT_SPEC, EMPTY_RESULT, run


def main() -> None:
    """Entry of the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run, EMPTY_RESULT)


if __name__ == "__main__":
    main()
