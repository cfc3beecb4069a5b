# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; the work is done on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_report
short_description: Print the closing table of a release, the history or the status of an environment
version_added: 0.1.0
description:
  - With O(report) it prints a table of regions and steps with times and verdicts, and writes the same as JSON and as
    Markdown.
  - With O(status) it prints what stands in every region, and without any of the two what the journals hold.
  - Runs on the controller only. It asks no cluster.
author:
  - Pincex release engineering (@pincex)
options:
  report:
    description: What became of the release in every region.
    type: dict
  directory:
    description:
      - Folder for V(ID.json) and V(ID.md), made when it is missing. A relative path starts at the working folder.
      - Nothing is written without it.
    type: path
  history:
    description: What M(pincex.zero_downtime.release_journal) returned when it read the fleet's journal.
    type: dict
  journals:
    description: The same for every region, by the name of the region.
    type: dict
    default: {}
  status:
    description: What the filter P(pincex.zero_downtime.environment_status#filter) returned.
    type: dict
  progress:
    description:
      - What the filter P(pincex.zero_downtime.region_status#filter) returned.
      - One line is printed and nothing else is done.
    type: dict
  say:
    description:
      - One sentence for the terminal, and nothing else is done.
      - Unlike that of M(ansible.builtin.debug) it is also seen where results that are fine are hidden.
    type: str
  environment:
    description: The name of the environment, for the heading of the history.
    type: str
    default: ""
  output:
    description: File for RV(data) as JSON. Its folder has to exist.
    type: path
attributes:
  check_mode:
    support: full
    description: Prints, and writes no file.
  diff_mode:
    support: none
    description: A report is new each time.
"""

EXAMPLES = r"""
- name: Report
  pincex.zero_downtime.release_report:
    directory: reports
    report:
      id: 20260102t030405z
      kind: deploy
      versions: {core-api: v2}
      sentence: the release is done in us-east-1
      regions:
        - region: us-east-1
          verdict: released
          steps:
            - {name: core-api 100 %, started: 1767323045.0, ended: 1767323050.0, verdict: pass}

- name: History of the environment, as a file as well
  pincex.zero_downtime.release_report:
    history: "{{ fleet_journal }}"
    environment: staging
    output: history.json
"""

RETURN = r"""
data:
  description: What was printed, for a program. The keys are the same whatever the environment holds.
  returned: always
  type: dict
files:
  description: The files that were written.
  returned: always
  type: list
  elements: path
lines:
  description: What was printed.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Tell whoever runs this file by itself where the work is done."""
    module = AnsibleModule(
        argument_spec={
            "report": {"type": "dict"},
            "directory": {"type": "path"},
            "history": {"type": "dict"},
            "journals": {"type": "dict", "default": {}},
            "status": {"type": "dict"},
            "progress": {"type": "dict"},
            "say": {"type": "str"},
            "environment": {"type": "str", "default": ""},
            "output": {"type": "path"},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="release_report runs as an action plugin, on the controller")


if __name__ == "__main__":
    main()
