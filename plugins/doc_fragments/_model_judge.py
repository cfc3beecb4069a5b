# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what a new version of a model has to show."""

from __future__ import annotations


class ModuleDocFragment:
    """Beside `_models.rules.SPEC`."""

    DOCUMENTATION = r"""
options:
  judge:
    description:
      - What the challenger has to show with O(state=judged). Shares are 0 to 1. C(docs/models.md) has the checks and
        the figures behind the defaults.
    type: dict
    suboptions:
      pairs_min:
        description: So many requests have to be answered by both versions.
        type: int
        default: 1000
      duration_min_s:
        description: Over so many seconds.
        type: float
        default: 600.0
      coverage_min:
        description: The share of the sampled requests that has to have both answers.
        type: float
        default: 0.95
      settle_s:
        description: Requests of the last seconds do not count yet, so that the slower version has its time to answer.
        type: float
        default: 10.0
      reference_s:
        description:
          - The champion's scores from so many seconds before the step are what its present ones are held against. With
            0 drift is not judged.
        type: float
        default: 3600.0
      step_min_s:
        description: How long a step lasts at least, in seconds.
        type: float
        default: 600.0
      step_max_s:
        description: After so many seconds without enough evidence the challenger is taken back without blame.
        type: float
        default: 86400.0
      false_fail:
        description: How often a version that is within all limits may be failed, however often one looks.
        type: float
        default: 0.05
      false_pass:
        description: How often a version that is beyond a limit may pass, however often one looks.
        type: float
        default: 0.05
      errors:
        description: Requests without an answer.
        type: dict
        suboptions:
          margin:
            description: How many more of them than the champion's are good enough.
            type: float
            default: 0.01
          rate_max:
            description: The most that the challenger may have, whatever the champion has.
            type: float
            default: 0.05
          segment_loss_max:
            description: So much more in one segment has to be ruled out.
            type: float
            default: 0.1
          segment_loss_told:
            description: The least that is proven in a segment for the challenger to be failed.
            type: float
            default: 0.05
      latency:
        description: The 95th and 99th percentile. The challenger may be as slow as the larger of both limits.
        type: dict
        suboptions:
          ratio_max:
            description: So many times the champion's.
            type: float
            default: 1.5
          floor_ms:
            description: So many milliseconds more than the champion's.
            type: float
            default: 5.0
      agreement:
        description: How often both versions say the same.
        type: dict
        suboptions:
          least:
            description: The share of the pairs that has to agree. Without it agreement is told and decides nothing.
            type: float
          score_off:
            description: How far scores may be apart to agree. Without it the answers have to be equal.
            type: float
      accuracy:
        description: How often the challenger is right. Only with O(judge.labels).
        type: dict
        suboptions:
          minimum:
            description: What has to be proven, and below which it is failed.
            type: float
            default: 0.85
          floor:
            description: Fewer right than this share of the last 100 labels are a collapse.
            type: float
            default: 0.7
          least:
            description: So many labels are needed to pass.
            type: int
            default: 500
      versus:
        description: How often the challenger is right where the champion is not. Only with O(judge.labels).
        type: dict
        suboptions:
          gain_min:
            description: How much more of the requests it has to have right. With -0.01 it may be at most a point worse.
            type: float
            default: 0.0
          least:
            description: So many labelled pairs are needed to pass.
            type: int
            default: 1000
          segment_loss_max:
            description: A loss of so much has to be ruled out in each segment.
            type: float
            default: 0.1
          segment_loss_told:
            description: The least loss that is proven in a segment for the challenger to be failed.
            type: float
            default: 0.02
      drift:
        description: The champion's scores beside those from before. It never fails the challenger.
        type: dict
        suboptions:
          watch:
            description: A population stability index below this is no drift.
            type: float
            default: 0.1
          act:
            description: From this index on it has drifted.
            type: float
            default: 0.2
          distance:
            description: The same for the Kolmogorov-Smirnov distance.
            type: float
            default: 0.1
      labels:
        description:
          - There are labels, and how they come. Without it there will never be any, and O(judge.agreement.least) has to
            say how much agreement is needed.
        type: dict
        suboptions:
          maturity_s:
            description: How long after its request a label is awaited, in seconds. None counts before that.
            type: float
            required: true
          tolerance:
            description: How far a number may be off, as a share of the label. 0 is for classes and exact numbers.
            type: float
            default: 0.0
"""
