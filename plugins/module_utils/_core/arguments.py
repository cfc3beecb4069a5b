# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fragments of argument specs. Their documentation is in the doc fragments of the same names."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import env_fallback

Spec = dict[str, dict[str, t.Any]]

CLUSTER: t.Final[Spec] = {
    "kubeconfig": {"type": "path", "fallback": (env_fallback, ["KUBECONFIG"]), "default": "~/.kube/config"},
    "context": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "region": {"type": "str"},
}

UNREACHABLE: t.Final[Spec] = {
    "unreachable_s": {"type": "float", "default": 30.0},
}

RELEASE: t.Final[Spec] = {
    "release": {"type": "dict"},
    "step": {"type": "str", "default": ""},
}


def merge(*specs: Spec) -> Spec:
    """One spec out of several; an option may stand in one of them only."""
    merged: Spec = {}
    for spec in specs:
        twice = merged.keys() & spec.keys()
        if twice:
            raise ValueError(f"option given twice: {', '.join(sorted(twice))}")
        merged.update(spec)
    return merged
