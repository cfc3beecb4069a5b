# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read, shift, probe and take back the traffic of services in one region, or send it to a maintenance answer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_traffic
short_description: Read, shift, probe and take back the traffic of services in a region
version_added: 0.1.0
description:
  - The traffic of a service is the weights of its route. That is an HTTPRoute, which sends to the Services C(NAME-blue)
    and C(NAME-green), or without Gateway API the Service C(NAME), whose selector gives all traffic to one slot.
  - The route is made once. From then on only the weights change; everything else in it stays as it is found.
  - A shift is proved. The status of an HTTPRoute is waited for, and then answers are counted through the data plane,
    because a gateway may accept what it does not do. Every answer names its slot and version in the headers C(x-slot)
    and C(x-version).
  - The shift of a Service is proved by its EndpointSlices, and by counted answers where the controller can reach it.
  - Every write carries the resourceVersion of what was read. Inside a release it is journaled before and after.
  - A slot gets more traffic only when enough of its pods are ready at that instant. On the way back one is enough,
    because the answers of the version that is left are worse than slow ones; fewer than the larger slot has, for the
    share that it gets, is said as a warning.
  - Connections that are open when the traffic moves stay with the old slot until their clients close them or its pods
    end. O(state=drained) counts them.
  - For a maintenance the routes send to a Service that answers 503 with C(Retry-After). What they were before is kept
    in the region's journal, and no release begins there until it is given back.
author:
  - Pincex release engineering (@pincex)
extends_documentation_fragment:
  - pincex.zero_downtime._cluster
  - pincex.zero_downtime._unreachable
  - pincex.zero_downtime._release
  - pincex.zero_downtime._metric_provider
  - pincex.zero_downtime._attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is sent through the data plane, so RV(answers) is empty.
      - O(state=drained) counts once and waits for nothing.
      - O(state=maintenance) and O(state=returned) need no O(release), and tell the scale that has to follow or precede.
options:
  state:
    description: What to do.
    type: str
    required: true
    choices:
      read: Change nothing; return the weights of O(routes).
      shifted: Give the slots of O(routes) these weights, and prove it with O(probe).
      probed: Change nothing; send requests to one slot of each route through the data plane, whatever its weight is.
      restored: Take back what O(release) did to the traffic here. The undone version gets weight 0, whoever gave it
        more. A route that the release made is removed. A route that cannot be taken back, for example because the
        old slot has no ready pod, does not keep the others; the task then fails and names it.
      drained: Change nothing; count O(connections) until there are none or O(drain_s) is over. It fails neither because
        of connections that are left nor because nothing can be counted; RV(warnings) says so. It asks no API
        server, and needs no O(release) and no lock.
      maintenance: Send the clients of O(routes) to the Service of O(maintenance), and prove it with O(probe). What was
        before is written down first, with the replicas of the workloads. It scales nothing; RV(maintenance) has the
        fields for M(pincex.zero_downtime.k8s_revision).
      returned: Give O(routes) back what they were, three-way. What somebody else changed meanwhile stays and is in
        RV(kept). Without O(routes) all that is in maintenance. A slot without ready pods gets no traffic, so the
        workloads of RV(maintenance) have to be up before; check mode tells them.
  routes:
    description:
      - With O(state=read) names of routes. With O(state=maintenance) and O(state=returned) names of services, also of
        those that have only workloads.
      - With O(state=shifted) mappings of C(name), C(weights) (whole numbers for C(blue) and C(green), sum 100) and
        C(min_ready) (ready pods that a slot needs to get more traffic; 1 when not given). For a route that does not
        exist yet also C(port) of the Services, C(hostnames) and C(parent) (a Gateway, as an entry of C(parentRefs)).
      - With O(state=probed) mappings of C(name), C(slot) and C(version).
      - Both take C(kind), C(HTTPRoute) (the default) or C(Service). A Service has weights 100 and 0 only, no
        C(hostnames) and no C(parent), and may have a C(probe_url), where the controller reaches it without a gateway.
      - Not used with O(state=restored) and O(state=drained).
    type: list
    elements: raw
    default: []
  probe:
    description:
      - How to prove a shift, and how long to try. Without it a shift is not proved; O(state=probed) needs it.
      - With O(state=maintenance) every answer has to be 503 with C(Retry-After). Behind a Service no other pods may be
        left than those that answer.
    type: dict
    suboptions:
      url:
        description: The gateway. The host name of each route goes into the C(Host) header.
        type: str
        required: true
      path:
        description: What to ask for. It should be cheap and change nothing.
        type: str
        default: /health/ready
      requests:
        description: How many requests are counted for each route.
        type: int
        default: 60
      timeout_s:
        description: How long the data plane may take to do as it was told, for all routes together.
        type: float
        default: 5.0
      ca_cert:
        description: File with the certificate authority of an C(https) gateway.
        type: path
  connections:
    description: What O(state=drained) counts, one slot for each service. Not used with another state.
    type: list
    elements: dict
    default: []
    suboptions:
      service:
        description: The service.
        type: str
        required: true
      slot:
        description: The slot that has no traffic any more.
        type: str
        required: true
        choices: [blue, green]
      query:
        description:
          - PromQL that gives the number of open connections of the slot, as one series or a scalar.
          - No series is not 0, because a wrong name gives none either. Where the series end with the last connection,
            write V(or vector(0\)) at the end.
        type: str
        required: true
  drain_s:
    description: How long O(state=drained) waits at most, in seconds. With 0 it counts once.
    type: float
    default: 60.0
  maintenance:
    description:
      - Who answers with O(state=maintenance), and what is written down of it. Not used with another state.
      - When the region is in maintenance already, what was written down first stays.
    type: dict
    suboptions:
      service:
        description:
          - The Service that answers. It has to have a ready pod.
          - The selector of a Service that is a route is set to its selector, so its pods need the ports that the
            Service names.
        type: str
        default: maintenance
      port:
        description: The port of O(maintenance.service) for HTTPRoutes.
        type: int
        default: 8080
      by:
        description: Who enters it.
        type: str
        required: true
      reason:
        description: Why, in one sentence. Whoever is refused meanwhile is told it.
        type: str
        required: true
      emergency:
        description: Whether the answer comes before the drain.
        type: bool
        default: false
      drain:
        description: Whether trading is stopped for it, and has to begin again with its end.
        type: bool
        default: false
      proof:
        description:
          - What M(pincex.zero_downtime.drain_trading) returned as C(proofs.before).
          - A second task may give it. The newest stays.
        type: dict
seealso:
  - module: pincex.zero_downtime.k8s_revision
  - module: pincex.zero_downtime.k8s_rollout_gate
"""

EXAMPLES = r"""
- name: Read the weights
  pincex.zero_downtime.k8s_traffic:
    state: read
    routes: [core-api]
    context: us-east-1
    namespace: exchange

- name: Probe the new version before it gets traffic
  pincex.zero_downtime.k8s_traffic:
    state: probed
    routes:
      - {name: core-api, slot: green, version: v2}
    probe:
      url: http://198.18.1.2
    context: us-east-1
    namespace: exchange

- name: Ten percent to the new version
  pincex.zero_downtime.k8s_traffic:
    state: shifted
    step: core-api 10 %
    routes:
      - name: core-api
        weights: {blue: 90, green: 10}
        port: 8080
        hostnames: [core-api.exchange.lab]
        parent: {name: exchange}
        min_ready: 1
    probe:
      url: http://198.18.1.2
      requests: 60
      timeout_s: 5
    context: us-east-1
    namespace: exchange

- name: All traffic to the new version, without Gateway API
  pincex.zero_downtime.k8s_traffic:
    state: shifted
    step: matching-engine 100 %
    routes:
      - name: matching-engine
        kind: Service
        weights: {blue: 0, green: 100}
        port: 8080
        min_ready: 2
        probe_url: https://matching.us-east-1.example.com
    probe:
      url: http://198.18.1.2
    context: us-east-1
    namespace: exchange

- name: Take the traffic of a release back
  pincex.zero_downtime.k8s_traffic:
    state: restored
    step: take back
    release: "{{ region.release }}"
    context: us-east-1
    namespace: exchange
  when: region is defined

- name: Send clients to the maintenance answer
  pincex.zero_downtime.k8s_traffic:
    state: maintenance
    step: maintenance
    routes: [core-api, reference-data]
    maintenance: {by: anna, reason: storage migration}
    probe:
      url: http://198.18.1.2
    release: "{{ region.release }}"
    context: us-east-1
    namespace: exchange
  register: entered
  when: region is defined

- name: Give the traffic back
  pincex.zero_downtime.k8s_traffic:
    state: returned
    step: maintenance
    probe:
      url: http://198.18.1.2
    release: "{{ region.release }}"
    context: us-east-1
    namespace: exchange
  when: region is defined

- name: Wait until nobody is connected to the old slot any more
  pincex.zero_downtime.k8s_traffic:
    state: drained
    connections:
      - service: statements
        slot: blue
        query: sum(open_connections{service="statements",slot="blue"})
    prometheus:
      url: http://198.18.1.2:9090
    drain_s: 60
    context: us-east-1
    namespace: exchange
"""

RETURN = r"""
routes:
  description:
    - The weights before and after, for each route that changed. C(before) is null for a route that was made, C(after)
      for one that was removed.
    - With O(state=read) for each route its C(kind), C(weights), C(hostnames) and whether gateway or endpoints have
      C(accepted) it, with the C(problem) if not; null for a route that does not exist.
  returned: always
  type: dict
  sample: {core-api: {before: {blue: 100, green: 0}, after: {blue: 90, green: 10}}}
answers:
  description: The counted answers by route and slot. Answers without a slot are under C(none).
  returned: always
  type: dict
  sample:
    core-api:
      blue: {count: 53, versions: {v1: 53}, codes: {"200": 53}}
      green: {count: 7, versions: {v2: 7}, codes: {"200": 7}}
proofs:
  description:
    - How each shift (or each slot, with O(state=probed)) was proved. C(answers) is by the counted RV(answers).
    - C(endpoints) is by the EndpointSlices of the Service, of which all ready pods belong to the slot.
  returned: always
  type: dict
  sample: {core-api: [answers], matching-engine: [endpoints, answers]}
connections:
  description:
    - The last count of O(state=drained) for each service. C(left) is null and C(observed) is false when there was no
      number.
  returned: always
  type: dict
  sample: {statements: {slot: blue, left: 14, observed: true}}
maintenance:
  description:
    - The maintenance that stands, or that ended with this task; null when there is none. Only with O(state=maintenance)
      and O(state=returned).
    - It has C(at), C(by), C(reason), C(emergency), C(drain), C(proof) and C(services) as they were written down, a
      C(sentence) with the gist, and whether there is anything C(todo).
    - C(fields) is what M(pincex.zero_downtime.k8s_revision) has to set to zero after O(state=maintenance). Check mode
      of O(state=returned) has in it what has to be set back before, and in C(workloads) what has to be ready then.
  returned: always
  type: dict
kept:
  description: A sentence for everything that O(state=restored) or O(state=returned) left as somebody else made it.
  returned: always
  type: list
  elements: str
warnings:
  description:
    - Slots that O(state=restored) gave traffic to although they have fewer ready pods than they should.
    - Slots that O(state=drained) leaves with open connections, or of which it could not count them.
  returned: always
  type: list
  elements: str
  sample:
    - "us-east-1: route core-api: blue takes 100 % of the traffic with 1 ready pods and should have 2"
    - "us-east-1: statements: 14 connections of blue are still open after 60 s; they end with its pods"
error:
  description: What went wrong.
  returned: failure
  type: dict
  sample: {kind: not_proved, system: gateway, region: us-east-1, retriable: true}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.entry import run_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.run import ARGUMENT_SPEC, EMPTY_RESULT, run


def main() -> None:
    """Entry of the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run, EMPTY_RESULT)


if __name__ == "__main__":
    main()
