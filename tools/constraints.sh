#!/usr/bin/env bash
# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Writes constraints.txt: installs what requirements-dev.txt asks for, without the old constraints, into a fresh environment.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grep -v '^-c ' requirements-dev.txt >"$work/requirements-dev.txt"
cp requirements.txt "$work/"
.venv/bin/python -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$work/requirements-dev.txt"
{
  sed -n '1,3p' requirements.txt
  printf '\n# Every version of the development environment. Written by "make constraints"; do not edit.\n'
  "$work/venv/bin/python" -m pip freeze
} >constraints.txt
