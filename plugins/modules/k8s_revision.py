# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read, apply and take back what runs of services in one region."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_revision
short_description: Read, apply and take back what runs of services in a region
version_added: 0.1.0
description:
  - Reads what runs into a revision document, applies manifests and single fields, and takes a release back.
  - Everything is tried with a server-side dry run before the first write, so that a refused object leaves nothing
    written.
  - Every write carries the resourceVersion of what was read. Inside a release it is journaled before and after.
  - Manifests are applied with server-side apply and the field manager C(pincex-zero-downtime). A field that belongs to
    another manager is never forced; the task fails and names both.
  - Taking back is three-way, field by field. A value goes back to what it was before the release only where it still
    is as the release wrote it. What somebody else changed since stays, and is named in RV(kept).
  - A slot with traffic is never removed and never scaled down.
author:
  - Pincex release engineering (@pincex)
extends_documentation_fragment:
  - pincex.zero_downtime._cluster
  - pincex.zero_downtime._unreachable
  - pincex.zero_downtime._release
  - pincex.zero_downtime._attributes
options:
  state:
    description: What to do.
    type: str
    required: true
    choices:
      read: Change nothing; return what runs of O(services) as RV(revision).
      applied: Apply O(objects), then set O(fields).
      restored: Take back what O(release) wrote here, from its journal. Traffic is taken back before, with
        M(pincex.zero_downtime.k8s_traffic).
  services:
    description:
      - Names of services, as in the label C(app.kubernetes.io/name). For O(state=read).
      - With O(state=applied) the services whose traffic is shifted afterwards; refused when the user may not write
        their routes (HTTPRoute).
    type: list
    elements: str
    default: []
  objects:
    description:
      - Manifests to apply, all in O(namespace).
      - They are written in the order ServiceAccount, Service, ConfigMap, PodDisruptionBudget, Deployment, StatefulSet,
        HorizontalPodAutoscaler.
      - Secrets are refused, and HTTPRoutes too, which belong to M(pincex.zero_downtime.k8s_traffic).
    type: list
    elements: dict
    default: []
  fields:
    description:
      - Single fields to set after O(objects), by a merge patch with compare-and-swap.
      - For what no manifest should name, as the scale of a Deployment that has an HPA.
    type: list
    elements: dict
    default: []
    suboptions:
      api_version:
        description: The apiVersion of the object.
        type: str
        required: true
      kind:
        description: The kind of the object.
        type: str
        required: true
      name:
        description: The name of the object.
        type: str
        required: true
      path:
        description: A dotted path that begins with C(spec), for example V(spec.replicas).
        type: str
        required: true
      value:
        description: The value to set.
        type: raw
        required: true
      at_least:
        description:
          - The name of a workload of the same kind. O(fields[].value) is then the least that C(spec.replicas) becomes.
          - It becomes no less than that workload has at that moment, nor than the object itself has.
        type: str
  allow_live:
    description:
      - Whether a slot with traffic may get another pod template, as the strategy C(rolling) does.
      - Scaling such a slot down is refused in any case.
    type: bool
    default: false
  way_back:
    description:
      - Whether check mode with O(state=applied) also refuses what the user could write and not take back.
      - It asks for C(delete) on what would be created and C(update) on what would be changed.
    type: bool
    default: false
seealso:
  - module: pincex.zero_downtime.k8s_traffic
  - module: pincex.zero_downtime.release_journal
"""

EXAMPLES = r"""
- name: Read what runs now
  pincex.zero_downtime.k8s_revision:
    state: read
    services: [core-api, reference-data]
    context: us-east-1
    namespace: exchange
  register: before

- name: Bring up the idle slot with three replicas
  pincex.zero_downtime.k8s_revision:
    state: applied
    step: prepare core-api
    objects:
      - apiVersion: v1
        kind: Service
        metadata:
          name: core-api-green
          labels: {app.kubernetes.io/name: core-api, pincex.io/slot: green}
        spec:
          selector: {app.kubernetes.io/name: core-api, pincex.io/slot: green}
          ports: [{name: http, port: 8080, targetPort: http}]
      - apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: core-api-green
          labels: {app.kubernetes.io/name: core-api, app.kubernetes.io/version: v2, pincex.io/slot: green}
        spec:
          selector:
            matchLabels: {app.kubernetes.io/name: core-api, pincex.io/slot: green}
          template:
            metadata:
              labels: {app.kubernetes.io/name: core-api, app.kubernetes.io/version: v2, pincex.io/slot: green}
            spec:
              containers:
                - name: core-api
                  image: registry.lab:5000/pincex/exchange:v2
                  ports: [{name: http, containerPort: 8080}]
    fields:
      - api_version: apps/v1
        kind: Deployment
        name: core-api-green
        path: spec.replicas
        value: 3
    context: us-east-1
    namespace: exchange

- name: Old slot to zero
  pincex.zero_downtime.k8s_revision:
    state: applied
    step: finish
    fields:
      - {api_version: apps/v1, kind: Deployment, name: core-api-green, path: spec.replicas, value: 0}
    context: us-east-1
    namespace: exchange

- name: Take the release back
  pincex.zero_downtime.k8s_revision:
    state: restored
    step: take back
    release: "{{ region.release }}"
    context: us-east-1
    namespace: exchange
  when: region is defined
"""

RETURN = r"""
revision:
  description: What runs, with O(state=read). Another task can apply its RV(revision.objects).
  returned: always
  type: dict
  contains:
    region:
      description: The region it was read in.
      type: str
    namespace:
      description: The namespace it was read in.
      type: str
    services:
      description:
        - Per service the C(live_slot) (the one with most traffic, null without any), its C(weights) (null without a
          route) and its C(slots), each with C(version), C(replicas), C(ready_replicas) and C(image).
        - An engine has its C(epoch) too, and all the weight is with the slot that its epoch record names.
      type: dict
      sample:
        core-api:
          live_slot: blue
          weights: {blue: 100, green: 0}
          slots:
            blue: {version: v1, replicas: 2, ready_replicas: 2, image: "registry.lab:5000/pincex/exchange:v1"}
    objects:
      description:
        - The manifests, without what the server and controllers wrote.
        - Of the ConfigMaps that are named by their content only those that a slot refers to.
      type: list
      elements: dict
    secrets:
      description:
        - The Secrets that the slots refer to, each with C(name) and C(hash), an HMAC-SHA256 of its data.
        - The key is C(key) of the Secret C(pincex-release-key) in the namespace, at least 16 bytes. Without it, or
          where the user may not read Secrets, the hash is null.
      type: list
      elements: dict
      sample: [{name: core-api-database, hash: null}]
objects:
  description: What was written, one entry for each object.
  returned: always
  type: list
  elements: dict
  sample: [{object: Deployment exchange/core-api-green, change: changed}]
kept:
  description: A sentence for everything that O(state=restored) left as somebody else made it.
  returned: always
  type: list
  elements: str
  sample:
    - "us-east-1: Deployment exchange/core-api-green: spec.replicas is 5, changed by somebody else after the release
      wrote 2 (0 before); it stays"
error:
  description: What went wrong.
  returned: failure
  type: dict
  sample: {kind: conflict, system: kubernetes, region: us-east-1, retriable: true}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.entry import run_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.run import ARGUMENT_SPEC, EMPTY_RESULT, run


def main() -> None:
    """Entry of the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run, EMPTY_RESULT)


if __name__ == "__main__":
    main()
