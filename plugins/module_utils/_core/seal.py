# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seal of a record: a checksum over its content, and for a header the schema that it was written in. Pure.

It finds a record that was edited by hand or by a program of another version. It is no signature: who wants to, makes a
new one.
"""

from __future__ import annotations

import hashlib
import json
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError

JsonObject = dict[str, t.Any]

#: Raised when a program that knows only the one before would misread what is written.
SCHEMA: t.Final = 1


def seal(header: Mapping[str, t.Any]) -> JsonObject:
    """The header with `schema` and `checksum`. One that is sealed already is sealed anew."""
    content = {**header, "schema": SCHEMA}
    return {**content, "checksum": checksum(content)}


def check_seal(header: Mapping[str, t.Any], region: str, what: str = "the journal") -> None:
    """Raise ReleaseError of kind `journal` for a header that is not as it was written. One without a schema was written
    before there were seals."""
    check_schema(header, region, what)
    if "schema" in header and header.get("checksum") != checksum(header):
        raise edited(region, what)


def check_schema(header: Mapping[str, t.Any], region: str, what: str = "the journal") -> None:
    """Raise ReleaseError of kind `journal` for a header of a newer schema, or of none that there can be."""
    schema = header.get("schema", SCHEMA)
    if isinstance(schema, bool) or not isinstance(schema, int):
        raise edited(region, what)
    if schema > SCHEMA:
        raise unusable(
            region,
            f"{what} was written by a newer version of the collection (schema {schema}, this version knows {SCHEMA}); "
            "use that version",
        )


def edited(region: str, what: str) -> ReleaseError:
    """The error of a record that is not as it was written."""
    return unusable(region, f"{what} was edited after it was written (its checksum does not match), so it is not used")


def unusable(region: str, problem: str) -> ReleaseError:
    """The error of a record that must not be acted on."""
    return ReleaseError(f"{region}: {problem}", kind="journal", system="journal", region=region)


def checksum(record: Mapping[str, t.Any]) -> str:
    """Of everything in the record but its `checksum`."""
    content = {name: value for name, value in record.items() if name != "checksum"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
