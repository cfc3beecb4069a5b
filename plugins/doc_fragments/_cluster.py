# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the options of every module that speaks to a region's API server."""

from __future__ import annotations


class ModuleDocFragment:
    """Beside `arguments.CLUSTER`."""

    DOCUMENTATION = r"""
requirements:
  - kubernetes >= 31
options:
  kubeconfig:
    description:
      - The file that says how to reach the cluster.
      - Without it the environment variable E(KUBECONFIG) counts.
    type: path
    default: ~/.kube/config
  context:
    description:
      - The context of O(kubeconfig) to use.
      - There is no default, so that nothing is ever done in the wrong cluster.
    type: str
    required: true
  namespace:
    description: The namespace to work in. It has to exist.
    type: str
    required: true
  region:
    description:
      - The name of the region, for messages and records.
      - The name of the context when it is not given.
    type: str
"""
