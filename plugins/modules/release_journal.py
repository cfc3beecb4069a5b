# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock and journal of a release."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_journal
short_description: Lock, journal, decision and revisions of a release
version_added: 0.1.0
description:
  - Opens a release in one region or for the fleet, writes the decision of the fleet, closes the release, and reads it.
  - Opening takes the lock (a C(coordination.k8s.io) Lease) and writes the journal (a ConfigMap) into the namespace.
  - While a journal is unfinished every other release is refused, also when the lock has lapsed.
  - The fleet is opened first, which takes the next revision number; then every region, with what the fleet returned.
  - A refused or failed opening leaves nothing behind.
author:
  - Pincex release engineering (@pincex)
extends_documentation_fragment:
  - pincex.zero_downtime._cluster
  - pincex.zero_downtime._unreachable
  - pincex.zero_downtime._attributes
attributes:
  idempotent:
    support: full
    details:
      - Opening again with the same O(release_id) from the same playbook returns the open release.
      - A decision is written once. That about a change of a model is its own, and beside that of the last release.
      - What was told is not told again.
options:
  state:
    description: What to do.
    type: str
    required: true
    choices:
      opened: Take the lock and begin the journal.
      taken_over:
        - Take the lock of a release that is unfinished, once nobody has renewed it for its whole duration.
        - The new lock's token is written into the journal and onto every object that the release may write, so that
          nothing which its old holder still has in hand is carried out. For the fleet the decision is written as well.
      decided: Write the decision of the fleet, once. The decision that was written first stands and is returned.
      closed: Record the revision, end the journal and give the lock back.
      told:
        - Tell the history of the fleet that regions got the release O(follows) after the fleet's journal was closed.
        - Takes the lock for that one write, and refuses while a release is open.
      read: Change nothing; return what is known.
  scope:
    description: Whose journal. The fleet's lies in a namespace of the management cluster.
    type: str
    choices: [region, fleet]
    default: region
  release:
    description:
      - The release, as RV(release) was when it was opened in this scope.
      - Needed with O(state=closed) and to keep a release.
      - Without it O(state=decided) aborts the release that is open, whoever holds it. A way back is not aborted.
    type: dict
  fleet_release:
    description: What the fleet's opening returned as RV(release). Needed to open a region.
    type: dict
  fleet:
    description:
      - Where the fleet's journal lies, with C(kubeconfig), C(context) and C(namespace), and C(token) of its lock.
      - Needed in a region with O(state=taken_over), O(kind=standby), O(kind=maintenance) and O(kind=model).
    type: dict
  release_id:
    description:
      - The name of the release, of small letters, digits and hyphens. Made from the time when it is not given.
      - A region takes it from O(fleet_release).
      - With O(kind=standby) the release whose warm standby is ended; without it that of any.
    type: str
  kind:
    description:
      - What kind of release. A V(rollback) is not stopped by a decision to undo.
      - V(deploy) when it is not given; a region takes it from O(fleet_release).
      - V(standby) ends the warm standby that a release has left in a region. When there is none, RV(release) is null.
      - V(maintenance) is a drain, a resume or a maintenance of one region. It is no release, and the fleet has no part
        in it.
      - V(dns) is a change of weights by a person, opened with O(scope=fleet). It is no release, takes no number and is
        not in the history. The regions have no part in it.
      - V(model) is a change of what serves a model. It is opened with O(scope=fleet), and then in each region with
        O(release_id) of the fleet's, where it has entries of its own. It is no release, takes no number and is not in
        the history.
    type: str
    choices: [deploy, rollback, standby, maintenance, dns, model]
  by:
    description: Who releases, or who decides. Needed with O(state=opened), O(state=decided) and O(state=told).
    type: str
  before:
    description:
      - The revision document of what runs now, as M(pincex.zero_downtime.k8s_revision) read it.
      - Needed to open a region.
      - A document with a Secret in it is refused.
    type: dict
  planned:
    description:
      - The manifests that the release is going to write in this region.
      - A release is refused when O(before) and twice these, compressed, are more than a journal may hold.
    type: list
    elements: dict
    default: []
  finish:
    description:
      - What is left to do in a region when the release is kept, for a recovery. With O(scope=fleet) the C(models) that
        go back with a rollback.
      - RV(finish) is the same.
      - Needed with O(kind=dns) and O(kind=model), where it says what the change is; RV(header) has it.
    type: dict
  target:
    description: The number of the revision that a rollback goes to, for a recovery.
    type: int
  follows:
    description:
      - The number of the release that this one only brings more regions up to, with O(state=opened) and O(scope=fleet).
      - Needed with O(state=told), the number of the release that the regions got.
      - The history tells it. Such a release takes a number of its own, and is no revision of the environment; its
        regions record their revision under the number that is followed.
    type: int
  steps:
    description: The names of the steps to come, for the report.
    type: list
    elements: str
    default: []
  decision:
    description: The decision to write with O(state=decided), or when the fleet is taken over and none stands.
    type: str
    choices:
      keep: The release stays. Only the holder of the lock can write that.
      undo: Every gate and every step stops, and every region is taken back.
  reason:
    description:
      - Why, in one sentence. Needed with O(state=decided), and to take the fleet over.
      - With O(state=opened) the reason of an emergency; the history tells it.
    type: str
  outcome:
    description: How the release ended, for example V(released) or V(taken_back). Needed with O(state=closed).
    type: str
  summary:
    description:
      - What the fleet's history tells of the release, with O(state=closed) and O(scope=fleet).
      - C(reason), C(decision), C(versions), C(changes), C(regions), C(flags) and C(models) of it are recorded.
      - Needed with O(state=told), where C(regions) has V(released) for each region that got the release.
    type: dict
  standby_s:
    description: How long the old slots stay warm after a release that is kept, with O(state=closed) in a region.
    type: float
    default: 0.0
  revision:
    description:
      - The revision document to record in this region. It needs O(number), and O(outcome) to be V(released).
      - Of any size. A document with a Secret in it is refused.
    type: dict
  number:
    description:
      - The number of the revision to record with O(state=closed), or to return with O(state=read).
      - Needed with O(state=told), the newest number of the history that was read. It is refused when a release has
        ended since, because then nobody knows whether the regions still stand where they stood.
    type: int
  lease_s:
    description: How long the lock lasts without being renewed.
    type: float
    default: 15.0
  renew_s:
    description: How old the lock may be before a write renews it. At most a third of O(lease_s).
    type: float
    default: 5.0
  controller:
    description:
      - The process that controls the release, with C(pid) and C(started). The action plugin fills it in.
      - Without that process nothing is renewed or written any more.
    type: dict
  watched:
    description:
      - With O(state=taken_over) the lock as O(state=read) returned it in RV(lock) before. Where nobody has renewed it
        since, that time counts, and the lock is not watched anew for all of its duration.
      - What was seen on another machine, or before it was started anew, does not count.
    type: dict
seealso:
  - module: pincex.zero_downtime.k8s_revision
  - module: pincex.zero_downtime.k8s_traffic
  - module: pincex.zero_downtime.k8s_rollout_gate
"""

EXAMPLES = r"""
- name: Open the release of the fleet
  pincex.zero_downtime.release_journal:
    state: opened
    scope: fleet
    kind: deploy
    by: anna
    context: management
    namespace: pincex-fleet
  register: fleet

- name: Open it in a region
  pincex.zero_downtime.release_journal:
    state: opened
    fleet_release: "{{ fleet.release }}"
    by: anna
    before: "{{ before.revision }}"
    context: us-east-1
    namespace: exchange
  register: region

- name: Take it back everywhere
  pincex.zero_downtime.release_journal:
    state: decided
    scope: fleet
    release: "{{ fleet.release }}"
    decision: undo
    by: us-east-1
    reason: error rate 0.2 above 0.02 for 5 s
    context: management
    namespace: pincex-fleet

- name: Abort whatever release is open
  pincex.zero_downtime.release_journal:
    state: decided
    scope: fleet
    decision: undo
    by: anna
    reason: deposits are slow since the release
    context: management
    namespace: pincex-fleet

- name: Record the revision and unlock the region
  pincex.zero_downtime.release_journal:
    state: closed
    release: "{{ region.release }}"
    outcome: released
    revision: "{{ after.revision }}"
    number: "{{ fleet.number }}"
    context: us-east-1
    namespace: exchange
"""

RETURN = r"""
release:
  description:
    - With O(state=opened), O(state=taken_over) and O(state=decided) the release to hand on to other tasks, in their
      option O(release). Null when there is nothing to take over, or no warm standby to end.
    - With O(state=read) the header of the newest release in the journal. Its RV(release.state) is V(open) or V(closed).
  returned: always
  type: dict
  contains:
    id:
      description: The name of the release.
      type: str
    kind:
      description: V(deploy) or V(rollback).
      type: str
    state:
      description: Whether it has ended; with O(state=read).
      type: str
header:
  description: The header of the newest release in the journal, except with O(state=opened) and O(state=closed).
  returned: always
  type: dict
number:
  description: The revision number of the release.
  returned: always
  type: int
decision:
  description: The decision that stands.
  returned: always
  type: dict
  sample: {decision: undo, by: us-east-1, reason: "error rate 0.2 above 0.02 for 5 s", at: 1767323045.1}
entries:
  description:
    - The writes of the release in this region, oldest first, without the manifests.
    - With O(state=read) and O(state=taken_over), as RV(before), RV(finish) and RV(standby) are.
  returned: always
  type: list
  elements: dict
before:
  description: The document of what ran before the release.
  returned: always
  type: dict
finish:
  description:
    - What is left to do when the release is kept. C(fields) before it ends, C(standby) fields after the warm standby.
    - C(connections) are those to count before the latter, as M(pincex.zero_downtime.k8s_traffic) takes them.
    - C(services) are those that it moved.
    - C(engines), where there are any, are those that are told of the end of the warm standby, as
      M(pincex.zero_downtime.drain_trading) takes them.
  returned: always
  type: dict
standby:
  description:
    - The warm standby that has not ended, with C(release), C(until) in unix seconds, C(fields) to set, and the
      C(connections) to count before that. With C(engines) as in RV(finish).
  returned: always
  type: dict
maintenance:
  description:
    - The maintenance that stands, with O(state=read). It has C(at), C(by), C(reason), C(services), C(emergency),
      whether it stopped trading (C(drain)), with which C(proof), and a C(sentence) with all of it.
  returned: always
  type: dict
revisions:
  description: The headers of the revisions that are kept, oldest first; with O(state=read), O(state=closed) and
    O(state=told).
  returned: always
  type: list
  elements: dict
  sample: [{number: 7, id: 20260102t030405z, kind: deploy, by: anna, outcome: released}]
revision:
  description: The document of revision O(number); with O(state=read).
  returned: always
  type: dict
lock:
  description:
    - The lock as it is, when it is read or a release aborted. Nobody holds it when RV(lock.holder) is empty.
    - O(watched) takes it.
  returned: always
  type: dict
  contains:
    holder:
      description: Release, host and process of the holder.
      type: str
    token:
      description: Grows with every change of hands.
      type: int
    lapsed:
      description: Whether it is held no more, or was not renewed for its duration by this machine's clock.
      type: bool
error:
  description: What went wrong.
  returned: failure
  type: dict
  sample: {kind: locked, system: journal, region: us-east-1, retriable: false}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.entry import run_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.run import ARGUMENT_SPEC, EMPTY_RESULT, run


def main() -> None:
    """Entry of the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run, EMPTY_RESULT)


if __name__ == "__main__":
    main()
