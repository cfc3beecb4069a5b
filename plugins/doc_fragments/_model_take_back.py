# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what a judgement takes back in its own process."""

from __future__ import annotations


class ModuleDocFragment:
    """Beside `_models.take_back.SPEC`."""

    DOCUMENTATION = r"""
options:
  take_back:
    description:
      - What O(state=judged) takes back at once, in its own process, when RV(next) is V(roll_back). Needs O(route),
        O(actor) and O(reason).
      - The fleet is locked, and then in all regions at the same time the region is locked and everything given to the
        champion. A region that does not answer, or where somebody else works, holds nobody up. A fleet that does not
        answer does not either; a fleet where somebody else works stops it.
      - All of these clusters are asked while the evidence is read, so that connections are open when it is decided.
        Before that nothing is locked or written.
      - The journals (C(kind) V(model)) stay open. Close them with M(pincex.zero_downtime.release_journal) after what
        is left to do, the regions first. A process that is killed in between leaves them to a recovery.
    type: dict
    suboptions:
      fleet:
        description: Where the journal of the fleet lies.
        type: dict
        required: true
        suboptions: &cluster
          kubeconfig:
            description: The file that says how to reach the cluster.
            type: path
            default: ~/.kube/config
          context:
            description: The context of its kubeconfig to use.
            type: str
            required: true
          namespace:
            description: The namespace of the journal.
            type: str
            required: true
          region:
            description: Its name; that of the context when it is not given.
            type: str
          unreachable_s:
            description: For how many seconds it is tried while nothing answers.
            type: float
            default: 30.0
      regions:
        description: All regions that have the model.
        type: list
        elements: dict
        required: true
        suboptions: *cluster
      lease_s:
        description: How long the locks last without being renewed.
        type: float
        default: 15.0
      renew_s:
        description: How old a lock may be before a write renews it. At most a third of O(take_back.lease_s).
        type: float
        default: 5.0
      controller:
        description: The process that controls the change, with C(pid) and C(started). The action plugin fills it in.
        type: dict
"""
