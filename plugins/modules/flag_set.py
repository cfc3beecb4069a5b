# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set of feature flags in all of its stores: switch, roll out, kill, restore, take back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: flag_set
short_description: Switch features for OpenFeature clients, roll them out, kill them, and take all of it back
version_added: 0.1.0
description:
  - A flag set is one document in flagd's format. It is kept in the fleet's cluster and in any number of O(stores), and
    survives the loss of each of them.
  - Every change is a new revision with a number of its own, which the fleet's cluster gives out by compare-and-swap. No
    store takes a lower one.
  - Kills are a set of their own, which only grows until a named restore. A kill that is found in any store wins.
  - A store that is away is reported, and the next task repairs it. Content that loses a conflict is kept and told.
  - Every task repairs the stores that differ. Of O(action=status) and O(action=history) none does.
author:
  - Pincex release engineering (@pincex)
requirements:
  - redis >= 6 (with O(stores[].redis))
  - openfeature-provider-flagd == 0.5.2 and openfeature-flagd-core == 1.0.0 (without O(evaluate.users=0))
extends_documentation_fragment:
  - pincex.zero_downtime._cluster
  - pincex.zero_downtime._flag_stores
  - pincex.zero_downtime._attributes
attributes:
  check_mode:
    support: full
options:
  action:
    description: What to do.
    type: str
    required: true
    choices:
      toggle: Make O(flags) on or off for everybody, as O(value) says. Targeting ends.
      rollout: Make O(flags) on for O(percent) of all users. While it grows nobody loses it.
      ab: Give O(flags) variants by O(weights).
      kill: Make O(flags) off for every client, whatever the default of its code, and keep what they were. The fleet's
        cluster need not answer.
      restore: End the kills of O(flags). They are then what they would be without.
      set: Write the whole definitions of O(definitions).
      rollback: Make the content of an old O(revision) today's, as a new revision. Kills stay.
      apply: Make each flag of O(wanted) what is wanted of it, all in one revision. Killed ones are passed over.
      undo: Take back what O(release) did to the set, or with O(since) what all releases did. What somebody else has
        changed since, and kills, stay and are in RV(kept).
      reconcile: Change nothing in the set, and repair the stores that differ from it.
      status: Write nothing; return what is there, in which stores it differs, and the stale flags.
      history: Write nothing; return the newest changes, kills and restores included.
  name:
    description:
      - The id of the set, as clients get it in its metadata. A store that has another one is not written to.
    type: str
    required: true
  config_map:
    description: The ConfigMap in O(namespace) of the fleet's cluster. A second set needs another one.
    type: str
    default: pincex-flags
  flags:
    description: Flags that are there.
    type: list
    elements: str
    default: []
  value:
    description: Whether a flag becomes on.
    type: bool
  percent:
    description: The percentage of all users, with up to 7 decimal places.
    type: float
  reshuffle:
    description: With O(action=rollout) let users lose the feature by a percentage that grows, where its targeting wants
      that. Without it this is refused.
    type: bool
    default: false
  weights:
    description: Weights by variant. They need not add up to 100.
    type: dict
    default: {}
  definitions:
    description:
      - Definitions by flag, in flagd's format. Null removes a flag.
      - One variant has to be off, so that the flag can be killed, which is the one named C(off), the only one that is
        false, or the one that C(off) names in the metadata. The same holds for C(on).
      - In the metadata, C(owner) says whose it is and C(expires) (C(YYYY-MM-DD), or an instant with its time zone) from
        when on it is stale.
    type: dict
    default: {}
  wanted:
    description:
      - By flag true or false for everybody, a percentage of all users (C(25) or C(25%)), or a whole definition in
        flagd's format.
      - One that is not there and has no definition here is refused. One that is killed is passed over, and is in
        RV(kept).
    type: dict
    default: {}
  revision:
    description: The revision to go back to.
    type: int
  since:
    description:
      - With O(action=undo) what releases changed after this revision of the set is taken back, whichever releases these
        were; 0 is before the first one. It has to be one of the last 50.
    type: int
  release:
    description:
      - The release of the fleet that this task belongs to, as M(pincex.zero_downtime.release_journal) returned it.
      - A new revision is then made under the fleet's lock, is journaled before and after, and says in RV(history) which
        release made it. A kill and a restore never ask for it.
      - O(namespace) is that of the fleet's journal.
    type: dict
  step:
    description: The name of the step, for the journal. It is O(action) where none is given.
    type: str
    default: ""
  actor:
    description: Who does it, for the history. Needed for everything that changes the set.
    type: str
  reason:
    description: Why, for the history. Needed for everything that changes the set.
    type: str
  limit:
    description: How many changes O(action=history) returns.
    type: int
    default: 20
  evaluate:
    description:
      - How a change is proved. After writing, what a store has is read back, and the real OpenFeature client answers
        for each flag that differs, and for each one that was killed. In check mode it answers for what would be
        written.
      - The users are C(user-0), C(user-1) and so on, with no other attribute.
      - Without the client a change is refused before anything is written. A kill, a restore, an undo and a repair are
        done all the same, with a warning.
    type: dict
    suboptions:
      users:
        description:
          - How many users are asked for a flag that not all get alike. With more than 10 such flags in one task each
            gets fewer, but at least 100. Where all users have the same, 5 are asked.
          - 0 asks nobody.
        type: int
        default: 10000
  patience_s:
    description: How long one store may leave a request without an answer, in seconds.
    type: float
    default: 5.0
  deadline_s:
    description: When to give up trying again, in seconds.
    type: float
    default: 60.0
seealso:
  - module: pincex.zero_downtime.release_journal
"""

EXAMPLES = r"""
- name: Two flags
  pincex.zero_downtime.flag_set:
    action: set
    name: pincex-production
    definitions:
      margin_trading:
        state: ENABLED
        variants: {"on": true, "off": false}
        defaultVariant: "off"
        metadata: {owner: trading, expires: "2027-06-30"}
      fee_table:
        state: ENABLED
        variants: {"off": "2026", low: "2027-low", high: "2027-high"}
        defaultVariant: "off"
    actor: anna
    reason: margin trading is built
    stores: &stores
      - name: redis
        redis:
          url: rediss://redis.pincex.test:6379
          username: flags
          password_file: /run/secrets/redis
          ca_cert: /etc/ssl/pincex.pem
      - name: us-east-1
        configmap: {context: us-east-1, namespace: exchange}
      - name: eu-west-1
        configmap: {context: eu-west-1, namespace: exchange}
      - name: backup
        file: {path: /var/backups/pincex/flags.flagd.json}
    context: management
    namespace: pincex-fleet

- name: A quarter of all users
  pincex.zero_downtime.flag_set:
    action: rollout
    name: pincex-production
    flags: [margin_trading]
    percent: 25
    actor: anna
    reason: the first quarter
    stores: *stores
    context: management
    namespace: pincex-fleet

- name: Two fee tables beside each other
  pincex.zero_downtime.flag_set:
    action: ab
    name: pincex-production
    flags: [fee_table]
    weights: {low: 10, high: 10, "off": 80}
    actor: anna
    reason: which one sells
    stores: *stores
    context: management
    namespace: pincex-fleet

- name: Off for everybody, now
  pincex.zero_downtime.flag_set:
    action: kill
    name: pincex-production
    flags: [margin_trading]
    actor: ben
    reason: it loses money
    stores: *stores
    context: management
    namespace: pincex-fleet

- name: As it was before the kill
  pincex.zero_downtime.flag_set:
    action: restore
    name: pincex-production
    flags: [margin_trading]
    actor: anna
    reason: the fix is live
    stores: *stores
    context: management
    namespace: pincex-fleet

- name: On for everybody
  pincex.zero_downtime.flag_set:
    action: toggle
    name: pincex-production
    flags: [margin_trading]
    value: true
    actor: anna
    reason: nothing happened at 25 percent
    stores: *stores
    context: management
    namespace: pincex-fleet

- name: As all flags were at revision 3
  pincex.zero_downtime.flag_set:
    action: rollback
    name: pincex-production
    revision: 3
    actor: anna
    reason: the fee table was wrong
    stores: *stores
    context: management
    namespace: pincex-fleet

- name: What a deploy switches, when the new version is everywhere
  pincex.zero_downtime.flag_set:
    action: apply
    name: pincex-production
    wanted:
      margin_trading: true
      new_matching: 5
    actor: anna
    reason: deploy 20270115t080000z
    release: "{{ opened.release }}"
    stores: *stores
    context: management
    namespace: pincex-fleet

- name: As the flags were before that deploy
  pincex.zero_downtime.flag_set:
    action: undo
    name: pincex-production
    actor: anna
    reason: deploy 20270115t080000z is taken back
    release: "{{ opened.release }}"
    stores: *stores
    context: management
    namespace: pincex-fleet

- name: As releases had left the flags at revision 41, whatever people did since
  pincex.zero_downtime.flag_set:
    action: undo
    name: pincex-production
    since: 41
    actor: anna
    reason: back to what ran on Monday
    stores: *stores
    context: management
    namespace: pincex-fleet

- name: A store is back
  pincex.zero_downtime.flag_set:
    action: reconcile
    name: pincex-production
    stores: *stores
    context: management
    namespace: pincex-fleet

- name: What is there
  pincex.zero_downtime.flag_set:
    action: status
    name: pincex-production
    stores: *stores
    context: management
    namespace: pincex-fleet

- name: Who changed what
  pincex.zero_downtime.flag_set:
    action: history
    name: pincex-production
    stores: *stores
    context: management
    namespace: pincex-fleet
"""

RETURN = r"""
revision:
  description: The revision before and after. A kill and a restore change none.
  returned: always
  type: dict
  sample: {before: 41, after: 42}
sha256:
  description: The SHA-256 of the wanted definitions before and after, kills not counted.
  returned: always
  type: dict
flags:
  description: By flag that differs for clients, its definition before and after; null where there is none.
  returned: always
  type: dict
moves:
  description:
    - By flag that differs, who changes sides, as shares of all users with a key from 0 to 1. It is exact.
    - Null where nobody can tell, because the flag is new or gone, or its targeting is more than a percentage.
  returned: always
  type: dict
  sample: {margin_trading: [{from: "off", to: "on", share: 0.15}]}
killed:
  description: The flags that are killed, with C(actor), C(reason) and C(at) (unix seconds).
  returned: always
  type: dict
evaluation:
  description:
    - By flag what the OpenFeature client answered, as C(shares) of its C(users) by variant, beside the C(expected)
      ones. C(sigmas) is how far the worst of them is off, and more than 4 is V(fail) with C(error.kind) V(not_proved).
    - C(expected) and C(sigmas) are null where targeting is more than a percentage. A client that gave its caller's
      default counts for C((own default)), or for C((error)).
  returned: always
  type: dict
  sample:
    margin_trading:
      users: 10000
      shares: {"on": 0.2478, "off": 0.7522}
      expected: {"on": 0.25, "off": 0.75}
      sigmas: 0.5
stores:
  description:
    - By store its C(kind), what it C(was) at first, what it is C(now), and C(revision), C(sha256) and C(killed) of it.
    - C(was) is V(same), V(empty), V(behind), V(conflict) (content that the set never had), V(edited) (not as it was
      written), V(newer) (a newer version of this collection wrote it, and nothing is written there) or V(away), and
      C(reason) and C(differs) say how. C(now) is V(read), V(written) or V(away).
  returned: always
  type: dict
  sample:
    redis: {kind: redis, was: same, now: written, revision: 42, sha256: 5f0c, killed: [], differs: [], reason: ""}
away:
  description: The stores that did not answer.
  returned: always
  type: list
  elements: str
repaired:
  description: The stores that differed and were repaired.
  returned: always
  type: list
  elements: str
differing:
  description: The stores that differed from the set when the task began.
  returned: always
  type: list
  elements: str
lost:
  description:
    - Content that was replaced and that no revision has. It is kept in its store under C(sha256). In Redis that is a
      field of the hash C({PREFIX}:lost), in a cluster ConfigMap C(NAME-lost-SHA), beside a file the folder
      C(PATH.lost).
  returned: always
  type: list
  elements: dict
  sample: [{store: us-east-1, sha256: 5f0c, flags: [margin_trading], reason: somebody else has edited its document}]
kept:
  description: With O(action=undo) a sentence for each flag that is not as it was before the release, with
    O(action=apply) one for each that is passed over because it is killed.
  returned: always
  type: list
  elements: str
  sample: ["margin_trading: was killed by ben (it loses money) and stays killed"]
definitions:
  description: With O(action=status) all definitions, those of killed flags as they would be without the kill.
  returned: always
  type: dict
stale:
  description: With O(action=status) the flags whose C(expires) has passed, the oldest first.
  returned: always
  type: list
  elements: dict
  sample: [{flag: new_fees, owner: trading, expires: "2026-12-31", days: 12}]
history:
  description:
    - With O(action=history) the changes, the newest first. Kills and restores have null as C(revision) and C(sha256),
      and say of a flag whether it was C(killed).
    - C(release) is the id of the release that made a revision, null where a person did.
  returned: always
  type: list
  elements: dict
  sample:
    - revision: 42
      action: toggle
      actor: anna
      reason: nothing happened at 25 percent
      at: "2027-01-15T08:00:00Z"
      sha256: 5f0c
      release: null
      flags: {}
warnings:
  description: What could not be read or written.
  returned: always
  type: list
  elements: str
verdict:
  description:
    - V(pass) when all stores agree after the task; V(hold) when one that is away has not got it yet; V(fail) when it
      was refused or did not go through, or O(action=status) has found stores that differ; V(none) when it has found
      no set.
    - Only O(action=status) succeeds with V(fail).
  returned: always
  type: str
  sample: pass
reason:
  description: Why, in one sentence.
  returned: always
  type: str
  sample: "pincex-production: revision 42 (sha256 5f0c7a9be211), 0 killed; in all 5 stores"
error:
  description: What went wrong.
  returned: failure
  type: dict
  sample: {kind: refused, system: guard, region: null, retriable: false}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.entry import run_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.run import ARGUMENT_SPEC, EMPTY_RESULT, run


def main() -> None:
    """Entry of the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run, EMPTY_RESULT)


if __name__ == "__main__":
    main()
