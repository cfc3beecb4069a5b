# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same users in two clients: the OpenFeature client of Python, and flagd's core for JavaScript.

Both evaluate one document of flag_set with a flag for each percentage, and each user's variant is compared. The core
is a package of npm, pinned by bench/flags/javascript/package-lock.json and kept in the user's cache. Node.js is
Debian's.
"""

from __future__ import annotations

import collections.abc as c
import fcntl
import hashlib
import importlib.metadata
import json
import os
import pathlib
import shutil
import tempfile
import typing as t
from decimal import Decimal

from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_change import rolled_out, split_up
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.document import encode
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.model import State
from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext

from bench.gate.part import Measured, Options, Row
from bench.results import ROOT, Goal, row
from lab import binaries, packages
from lab.errors import LabError
from lab.shell import run
from lab.steps import Steps

USERS: t.Final = 10_000
PERCENTS: t.Final = ("0.01", "0.1", "1", "12.5", "25", "33.3333333", "50", "75", "99.9")
#: Three variants, and one of them twice as often as each of the others.
WEIGHTS: t.Final = {"on": Decimal(1), "also": Decimal(1), "off": Decimal(2)}
DIFFERENT: t.Final = "users with another variant"
PYTHON: t.Final = ("openfeature-sdk", "openfeature-provider-flagd", "openfeature-flagd-core")
_SET: t.Final = "pincex-bench"
_PROGRAM: t.Final = "evaluate.mjs"
_FOLDER: t.Final = ROOT / "bench" / "flags" / "javascript"
_NPM_S: t.Final = 600.0
_NODE_S: t.Final = 120.0

#: Variants by flag, those of user-0, user-1 and so on.
Answers = t.Mapping[str, c.Sequence[str | None]]


def document() -> tuple[str, dict[str, str]]:
    """A document as flag_set writes it, and its flags with what they are in words."""
    flag = {"state": "ENABLED", "variants": {"on": True, "also": True, "off": False}, "defaultVariant": "off"}
    flags, cases = {}, {}
    for percent in PERCENTS:
        name = f"share-{percent}"
        flags[name] = rolled_out(name, flag, Decimal(percent), reshuffle=False)
        cases[name] = f"{percent} %"
    flags["three"] = split_up("three", flag, WEIGHTS)
    cases["three"] = "three variants, 1 : 1 : 2"
    return encode(State(1, flags), _SET).document, cases


def different(left: Answers, right: Answers) -> dict[str, int]:
    """Users whose variant is not the same, by flag. A user whom one of them does not have counts."""
    found = {}
    for flag in sorted({*left, *right}):
        mine, theirs = left.get(flag, ()), right.get(flag, ())
        length = max(len(mine), len(theirs))
        pairs = zip(mine, theirs, strict=False)
        found[flag] = length - sum(one == other and one is not None for one, other in pairs)
    return found


def python(text: str, flags: c.Iterable[str], users: int) -> Answers:
    """What the client of Python answers."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "flags.flagd.json"
        path.write_text(text, encoding="utf-8")
        provider = FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=str(path))
        api.set_provider_and_wait(provider, _SET)
        try:
            ask = api.get_client(_SET).get_boolean_details
            return {
                flag: [ask(flag, True, EvaluationContext(f"user-{user}")).variant for user in range(users)]
                for flag in flags
            }
        finally:
            api.shutdown()


def javascript(text: str, flags: c.Iterable[str], users: int) -> tuple[Answers, dict[str, str]]:
    """What the core for JavaScript answers, and the versions. Raises LabError."""
    asked = json.dumps({"document": text, "flags": list(flags), "users": users})
    found = json.loads(run(["node", _installed() / _PROGRAM], stdin=asked, timeout_s=_NODE_S))
    return found["variants"], {"@openfeature/flagd-core": found["core"], "Node.js": found["node"]}


def _installed() -> pathlib.Path:
    """The program with its packages, from npm when the cache does not have them. Raises LabError."""
    steps = Steps()
    if not (shutil.which("node") and shutil.which("npm")):
        if os.geteuid() != 0:
            raise LabError("no node or no npm: install them, or run this once as root")
        packages.install(steps, packages.NODE)
    files = [_FOLDER / name for name in ("package.json", "package-lock.json", _PROGRAM)]
    digest = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
    made = binaries.cache_home() / "bench" / f"flagd-core-{digest[:20]}"
    made.parent.mkdir(parents=True, exist_ok=True)
    # Two benches at once: the second one waits and then finds what the first one made.
    with (made.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            with steps.step("tools", "flagd's core for JavaScript"):
                new = made.with_name(f"{made.name}.new")
                shutil.rmtree(new, ignore_errors=True)
                new.mkdir()
                for file in files:
                    shutil.copy(file, new)
                run(["npm", "--prefix", new, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], timeout_s=_NPM_S)
                new.rename(made)
    return made


def measure(_options: Options) -> Measured:
    """The whole part: one round, because nothing in it is by chance."""
    text, cases = document()
    answers, versions = javascript(text, cases, USERS)
    found = different(python(text, cases, USERS), answers)
    print(f"{len(cases)} flags, {USERS} users: {sum(found.values())} with another variant", flush=True)
    return Measured(rows(found, cases), {**{name: importlib.metadata.version(name) for name in PYTHON}, **versions})


def rows(found: t.Mapping[str, int], cases: t.Mapping[str, str]) -> list[Row]:
    """One for each flag, in the order of `cases`. One user is too many."""
    return [
        row(f"{case}, {USERS:,} users", DIFFERENT, [float(found[flag])], Goal(0.5), "count")
        for flag, case in cases.items()
    ]
