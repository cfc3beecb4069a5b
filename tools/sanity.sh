#!/usr/bin/env bash
# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Runs `ansible-test sanity` on what ships: the artefact is built, installed into the folder layout that ansible-test insists
# on (it resolves symbolic links, so a link is not enough) and put under git, from which it takes its list of files.
# Arguments go to ansible-test, e.g. tools/sanity.sh --test validate-modules
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
bin=$root/.venv/bin
work=$root/.build/sanity
target=$work/ansible_collections/pincex/zero_downtime

# ansible-test keeps its virtual environments below HOME. It gets a home of its own, so that a later run finds them and the
# user's files stay as they are; pip's settings and download cache are the user's.
home=${XDG_CACHE_HOME:-$HOME/.cache}/pincex-zero-downtime/ansible-test
mkdir -p "$home/.ansible/test/cache" "$home/.config" "$home/.cache"
ln -sfn "${XDG_CONFIG_HOME:-$HOME/.config}/pip" "$home/.config/pip"
ln -sfn "$HOME/.pip" "$home/.pip"
ln -sfn "${XDG_CACHE_HOME:-$HOME/.cache}/pip" "$home/.cache/pip"

# It would download a script that installs pip from a host of the Ansible project, which a closed network does not reach. The
# same work can be done by Python's own ensurepip; where ansible-test finds the file, it does not download it.
cp tools/get_pip.py "$home/.ansible/test/cache/get_pip_24_2.py"

# Only this folder: the link in .venv would make ansible-galaxy say that the collection is installed already.
export ANSIBLE_COLLECTIONS_PATH=$work

rm -rf "$work"
mkdir -p "$work"
"$bin/ansible-galaxy" collection build --output-path "$work" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$bin/ansible-galaxy" collection install --offline --no-deps --collections-path "$work" "$work"/pincex-zero_downtime-*.tar.gz \
  >"$work/install.log" 2>&1 || { cat "$work/install.log"; exit 1; }
# The artefact carries no tests; these are what sanity needs of them: which Python the modules need, and what it may ignore.
mkdir -p "$target/tests"
cp tests/config.yml "$target/tests/"
if [ -d tests/sanity ]; then
  cp -R tests/sanity "$target/tests/sanity"
fi
cd "$target"
git init --quiet
git add --all

version=$("$bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
HOME=$home PATH=$bin:$PATH exec "$bin/ansible-test" sanity --color no --python "$version" "$@"
