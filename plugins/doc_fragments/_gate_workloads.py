# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the options about workloads, their patience, and what is read when they fail."""

from __future__ import annotations


class ModuleDocFragment:
    """Beside the gate's `options.ARGUMENT_SPEC`."""

    DOCUMENTATION = r"""
options:
  workloads:
    description:
      - What has to be ready.
      - Ready means that the controller has seen the newest revision, that all pods are of it, ready and available,
        and that no pod of an older revision is left, except those that are on their way out. A workload that is scaled
        to zero is not ready, unless O(workloads[].min_ready) is V(0).
      - A StatefulSet with a partition is ready when the pods above it are updated; with V(OnDelete) the revision of
        its pods does not matter.
      - A Deployment that is paused with pods of an older revision is waited for until the deadline.
      - A Job is ready when it is complete, and stays so when it is deleted after that. It is doomed when it says so
        itself; what its pods end with is its own C(backoffLimit)'s matter. One that is suspended is waited for.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: The kind of the workload.
        type: str
        choices: [Deployment, StatefulSet, DaemonSet, Job, Pod]
        required: true
      name:
        description: Its name. Either this or O(workloads[].selector).
        type: str
      selector:
        description:
          - For pods that no workload owns, a label selector, for example V(app=web,tier in (a, b\),!canary).
          - All pods that match have to be ready, at least one or O(workloads[].min_ready). Pods that have done their
            work, were evicted, or are on their way out do not count.
        type: str
      min_ready:
        description:
          - How many pods have to be ready besides what the workload itself wants.
          - Of a StatefulSet with V(OnDelete) so many of the newest revision.
        type: int
      service:
        description:
          - The service that it belongs to. When it is doomed, only the routes of this service, and of those that
            depend on it, are set back. Without it all of them are.
        type: str
        default: ""
  workload_grace:
    description:
      - How much of each trouble is forgiven before a workload is called doomed. One doomed pod of the newest revision
        is enough.
      - An image that the registry says it does not have or does not give (V(not found), V(unauthorized), V(denied))
        needs no grace. Neither does a Deployment that is over its C(progressDeadlineSeconds), nor a Job that has
        failed.
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
      restarts:
        description:
          - How often the containers of one pod may end all together. Counted as soon as more than one of them has
            ended, or one was killed from outside (exit code 137 or 143), as by its liveness probe.
        type: int
        default: 3
      image_pull_s:
        description: Seconds for an image that cannot be pulled for another reason.
        type: float
        default: 30.0
      config_error_s:
        description:
          - Seconds for a ConfigMap or Secret that is missing.
          - For one that is a volume, or a key of it, only events tell. They are asked for when the containers of a pod
            have been in the making for three seconds.
        type: float
        default: 10.0
      start_error_s:
        description: Seconds for a container that cannot be made or started.
        type: float
        default: 10.0
      replica_failure_s:
        description:
          - Seconds for pods that are refused, by a quota or by admission.
          - Of a StatefulSet, DaemonSet or Job only events tell. They are asked for when it has had fewer pods than
            wanted for three seconds.
        type: float
        default: 10.0
      unschedulable_s:
        description: Seconds for pods without a node. Told at once; longer than a new node takes to start.
        type: float
        default: 300.0
      missing_s:
        description: Seconds for a workload that does not exist, or a selector that no pod matches.
        type: float
        default: 10.0
  log_lines:
    description:
      - How many lines are read of the log of a container that failed, of at most three pods, together with their
        events. With V(0) only the events are read.
      - When a check fails, at most two of them are pods that serve what it judges. They are of the workloads with its
        C(service); those that were restarted come first, then the newest.
      - It is done after a trip, within two seconds, and needs the permission to get C(pods/log) and to list events.
        What is not allowed or does not answer is told in a line. What looks like a secret is covered.
    type: int
    default: 20
"""
