# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the option `metrics` of the gate."""

from __future__ import annotations


class ModuleDocFragment:
    """Beside `metric_check.SPEC`."""

    DOCUMENTATION = r"""
options:
  metrics:
    description:
      - What is measured, each by a query that gives one number.
      - A value outside its limit is bad once O(metrics[].for_s), O(metrics[].consecutive) or O(metrics[].n_of_m) prove
        it; give at most one of them. Until then it does not pass, and every value outside starts O(observe_s) anew.
      - What cannot be measured neither proves nor clears anything; see O(metrics[].on_missing).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What it is called in reasons and evidence.
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
        description: The value is bad above this. Either this or O(metrics[].min), or a O(metrics[].baseline).
        type: float
      min:
        description: The value is bad below this. Either this or O(metrics[].max).
        type: float
      baseline:
        description:
          - What the stable slot has at the same moment. The value is bad when it is above it by the ratio and by the
            floor, both. There is no such verdict before there are 5 pairs of values.
          - With O(metrics[].max) as well, either is bad. A baseline that cannot be read is told then, and
            O(metrics[].max) judges alone. Without it the check cannot be measured.
          - A stable slot without requests, as after the last step of a release, has no latency and no share of
            failures. So give O(metrics[].max) too.
        type: dict
        suboptions:
          query:
            description: PromQL that gives one series or a scalar.
            type: str
            required: true
          ratio:
            description: How many times as much it may be, 1 or more.
            type: float
            required: true
          floor:
            description:
              - How much more it may be, in the unit of the metric, whatever the ratio. With a ratio of 1 this alone
                is the limit.
            type: float
            required: true
      rank_test:
        description:
          - From 20 pairs on, a one-sided Mann-Whitney test of the last 20 has to agree before the
            O(metrics[].baseline) makes a value bad.
          - It takes the pairs as independent. Values whose windows overlap are not, so look about as seldom as the
            window of the query is long.
        type: dict
        suboptions:
          alpha:
            description: The test agrees when equal slots would give ranks this high with at most this probability.
            type: float
            default: 0.01
      for_s:
        description:
          - How long it has to be bad to count, in seconds between valid samples that follow each other. A value within
            its limit starts it anew; time without sight is not counted and clears nothing.
        type: float
        default: 0.0
      consecutive:
        description: How many valid samples in a row have to be bad to count.
        type: int
      n_of_m:
        description: How many of the last valid samples have to be bad to count.
        type: dict
        suboptions:
          n:
            description: So many bad ones, 1 or more.
            type: int
            required: true
          m:
            description: Of the last so many.
            type: int
            required: true
      min_samples:
        description: With fewer valid samples it is not good yet.
        type: int
        default: 1
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
            that one failure of a quiet service is no verdict. Needs O(metrics[].min_samples_query), and does not go
            with O(metrics[].min).
          - A value above the limit with fewer failures does not pass either; it is watched on.
        type: float
        default: 0.0
      age_query:
        description:
          - PromQL that gives the age of the newest sample in seconds, for example V(time(\) -
            max(timestamp(some_metric\)\)).
          - Prometheus looks back for minutes. Without this an old sample reads like a new one.
        type: str
      on_missing:
        description:
          - What to do when it cannot be measured, for each way of it. None of them passes.
          - V(hold) is lost sight, which O(blind_s) has patience with; V(fail) has none. V(ignore) waits as with too few
            requests, until O(evidence_max_s).
        type: dict
        suboptions:
          no_data:
            description: The query found no series.
            type: str
            choices: [hold, fail, ignore]
            default: hold
          nan:
            description: The value is NaN or infinite, as 0 of 0 is.
            type: str
            choices: [hold, fail, ignore]
            default: hold
          many:
            description: The query found several series.
            type: str
            choices: [hold, fail, ignore]
            default: hold
          stale:
            description: The newest sample is older than O(prometheus.stale_s), by O(metrics[].age_query).
            type: str
            choices: [hold, fail, ignore]
            default: hold
          error:
            description: The provider does not answer, or not with a result.
            type: str
            choices: [hold, fail, ignore]
            default: hold
      weight:
        description: V(critical) decides, V(warning) is only told.
        type: str
        choices: [critical, warning]
        default: critical
      service:
        description: The service that it speaks of, for O(trip); all of them when it is empty.
        type: str
        default: ""
"""
