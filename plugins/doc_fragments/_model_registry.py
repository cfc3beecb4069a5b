# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the registry that says which version of a model is the champion."""

from __future__ import annotations


class ModuleDocFragment:
    """Beside `_models.registries.SPEC`."""

    DOCUMENTATION = r"""
options:
  registry:
    description:
      - The registry of the fleet, which is asked and written to where there is no O(route).
      - What this collection does to the aliases of a model is written into its history there, first and last.
    type: dict
    suboptions:
      type:
        description: What it is. MLflow 3 is spoken to over REST.
        type: str
        choices: [mlflow]
        default: mlflow
      url:
        description: Its address, without C(/api). It holds no user and no password.
        type: str
        required: true
      model:
        description: The name of the model there. It is O(model) when it is not given.
        type: str
      token_file:
        description: A file with a bearer token. It is read for every request.
        type: path
      username:
        description: The user.
        type: str
      password_file:
        description: A file with the user's password.
        type: path
      ca_cert:
        description: A file with the authorities to trust.
        type: path
      timeout_s:
        description: How long one request may take, in seconds.
        type: float
        default: 5.0
"""
