# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the option `counters` of the gate."""

from __future__ import annotations


class ModuleDocFragment:
    """Beside `counter_check.SPEC`."""

    DOCUMENTATION = r"""
options:
  counters:
    description:
      - Counters of requests and failures, judged sequentially. Raw samples are asked for at every look and their
        differences are taken for each series, with resets; no rate is used.
      - The value says how much better C(this version is bad) explains the failures than C(it is healthy). It may be
        looked at after every scrape, and says V(fail) as soon as the evidence is there.
      - While the evidence is more than half of the way to a proof, nothing passes.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: How it is called in sentences.
        type: str
        required: true
      requests:
        description: The counter of all requests of the new version, as a selector with its labels.
        type: str
        required: true
      failures:
        description:
          - The counter of those that failed. A selector that finds nothing yet counts as no failure; while the check is
            good that is a warning, because a wrong selector looks the same.
        type: str
        required: true
      against:
        description:
          - Compare with the stable slot at the same time as well. Only a version that is above
            O(counters[].healthy_below) and above O(counters[].against.ratio) times the stable slot's rate is bad then.
            So what hits both is no evidence, at whatever instants their pods are scraped, and neither are a few
            failures beside a stable slot that has none.
          - While the stable slot has no requests, O(counters[].healthy_below) alone is used.
          - A scrape of the new version is judged when the stable slot is seen up to the same instant, which may be a
            scrape later.
          - Half of the false alarms belong to the time in which both are asked, half to that in which there is nothing
            to compare with.
        type: dict
        suboptions:
          requests:
            description: The counter of all requests of the stable slot.
            type: str
            required: true
          failures:
            description: The counter of those that failed.
            type: str
            required: true
          ratio:
            description: Up to so many times the stable slot's error rate is healthy. From 1 to below 200.
            type: float
            default: 2.0
      healthy_below:
        description:
          - The error rate that a healthy version stays below on a good day. Not the limit of an alarm, which belongs to
            O(metrics). Below 0.95.
        type: float
        default: 0.01
      false_alarm:
        description: The probability that a release with only healthy versions is called bad by any such test.
        type: float
        default: 0.0001
      tests:
        description: Over how many tests of the release O(counters[].false_alarm) is split.
        type: int
        default: 1
      overdispersion:
        description:
          - The test assumes failures that are independent of each other. Where they come in clumps, counts are divided
            by this factor, 1 or more, which takes so many times the requests to prove something.
          - Simulated with failures in blocks of ten requests (beta-binomial, rho 0.1), a version that is exactly at
            O(counters[].healthy_below) was called bad in 4.5 % of the runs without it, and in 0.07 % with V(2).
        type: float
        default: 1.0
      min_requests:
        description: With fewer requests in all nothing passes. A proof does not wait for them.
        type: float
        default: 1.0
      pod_label:
        description:
          - The label that tells pods apart, together with C(instance). Series with neither are one process each.
          - A process that restarts begins all of its counters anew. A label set that a known process did not have
            before counts from zero.
        type: str
        default: pod
      on_missing:
        description: What to do when it cannot be measured, as in O(metrics[].on_missing).
        type: dict
        suboptions:
          no_data:
            description: The selector finds no series.
            type: str
            choices: [hold, fail, ignore]
            default: hold
          nan:
            description: The newest sample of a counter is not a number.
            type: str
            choices: [hold, fail, ignore]
            default: hold
          many:
            description: Counters may have many series.
            type: str
            choices: [hold, fail, ignore]
            default: hold
          stale:
            description: The newest sample is older than O(prometheus.stale_s).
            type: str
            choices: [hold, fail, ignore]
            default: hold
          error:
            description: The provider does not answer.
            type: str
            choices: [hold, fail, ignore]
            default: hold
      weight:
        description: V(critical) decides, V(warning) is only told.
        type: str
        choices: [critical, warning]
        default: critical
      service:
        description: The service that it speaks of, for O(trip).
        type: str
        default: ""
"""
