#!/usr/bin/env bash
# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes .venv, the one Python environment of every make target, or brings it up to date. `make` calls it when the requirement
# files have changed. Usage: tools/venv.sh STAMP
set -euo pipefail
cd "$(dirname "$0")/.."
stamp=$1

say() { printf '%s\n' "venv: $*" >&2; }

# ansible-core 2.19 runs on Python 3.11 to 3.13; the first one found is taken.
find_python() {
  local name
  for name in ${PYTHON:-} python3.11 python3.12 python3.13; do
    # A pyenv shim exists for versions that are not installed: ask it, do not only look for it.
    if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  return 1
}

if ! python=$(find_python); then
  say "no Python 3.11, 3.12 or 3.13 found; install one (Debian 12: apt-get install python3.11) or name it: make PYTHON=/path/to/python"
  exit 1
fi

if [ ! -x .venv/bin/python ]; then
  # Debian splits `venv` and `ensurepip` off into a package of their own.
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
      say "installing python3-venv"
      apt-get -qq update
      DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends python3-venv >/dev/null
    else
      say "$python has no venv module; install it (Debian: apt-get install python3-venv) and run make again"
      exit 1
    fi
  fi
  say "making .venv with $("$python" --version)"
  "$python" -m venv .venv
fi

say "installing the pinned requirements (about two minutes the first time)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt

# Ansible, pytest and mypy find the collection under its real name by this link. It is relative, so the tree can be moved.
mkdir -p .venv/collections/ansible_collections/pincex
ln -sfn ../../../.. .venv/collections/ansible_collections/pincex/zero_downtime

rm -f .venv/.ready-*
touch "$stamp"
