# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in a journal, and how it is written down: dataclasses to JSON and back. No I/O."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import typing as t
import zlib
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.seal import checksum

Operation = t.Literal["apply", "set", "delete", "weights", "drain", "dns", "flags", "models"]

#: A ConfigMap takes 1 MiB with everything in it.
LARGEST_DOCUMENT: t.Final = 900_000


@dataclasses.dataclass(frozen=True)
class Change:
    """One object that is written. `fields` is path -> {before, after}; `before` and `after` are whole objects as the
    API server gave them, None where there is none."""

    ref: Ref
    op: Operation
    fields: Mapping[str, Mapping[str, t.Any]] = dataclasses.field(default_factory=dict)
    before: JsonObject | None = None
    after: JsonObject | None = None

    def summary(self) -> JsonObject:
        """Without the whole objects."""
        return {
            "ref": dataclasses.asdict(self.ref),
            "op": self.op,
            "fields": {path: dict(both) for path, both in self.fields.items()},
        }


@dataclasses.dataclass(frozen=True)
class Entry:
    """One write: intended before it, done or failed after it. Neither means that nobody knows. `mark` is unique, so
    that a writer whose answer was lost finds its own entry again."""

    number: int
    step: str
    mark: str
    at: float
    changes: tuple[Change, ...]
    done: bool = False
    failed: str | None = None

    def summary(self) -> JsonObject:
        """What a report needs."""
        return {
            "number": self.number,
            "step": self.step,
            "mark": self.mark,
            "at": self.at,
            "done": self.done,
            "failed": self.failed,
            "changes": [change.summary() for change in self.changes],
        }

    def to_text(self) -> str:
        """Readable but for the whole objects: they are packed, a ConfigMap is small."""
        objects = [[change.before, change.after] for change in self.changes]
        return summed({**self.summary(), "objects": pack(objects)})

    @classmethod
    def from_text(cls, text: str) -> Entry:
        """Raises what `BROKEN` names for a text that is not as it was written."""
        data = unsummed(text)
        objects = unpack(data.pop("objects"))
        changes = [
            Change(Ref(**change["ref"]), change["op"], change["fields"], before, after)
            for change, (before, after) in zip(data.pop("changes"), objects, strict=True)
        ]
        return cls(changes=tuple(changes), **data)


@dataclasses.dataclass(frozen=True)
class Decision:
    """`keep` or `undo`, written once per release."""

    decision: t.Literal["keep", "undo"]
    by: str
    reason: str
    at: float

    def to_text(self) -> str:
        return summed(dataclasses.asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Decision:
        """Raises what `BROKEN` names for a text that is not as it was written."""
        found = cls(**unsummed(text))
        if found.decision not in ("keep", "undo"):
            raise ValueError(f"{found.decision} is no decision")
        return found


@dataclasses.dataclass(frozen=True)
class FleetRef:
    """Where the fleet's journal lies, and under which token this release holds the fleet's lease; 0: it does not."""

    kubeconfig: str
    context: str
    namespace: str
    token: int = 0

    @classmethod
    def from_option(cls, option: Mapping[str, t.Any]) -> FleetRef:
        """Raises KeyError, TypeError or ValueError when something is missing or wrong."""
        names = ("kubeconfig", "context", "namespace")
        return cls(**{name: str(option[name]) for name in names}, token=int(option.get("token") or 0))


@dataclasses.dataclass(frozen=True)
class ReleaseRef:
    """The release a task belongs to, as it travels from task to task in the option `release`."""

    id: str
    kind: str
    holder: str
    token: int
    namespace: str
    controller_pid: int
    controller_started: str
    fleet: FleetRef
    lease_s: float = 15.0
    renew_s: float = 5.0

    @property
    def is_way_back(self) -> bool:
        """A way back is not a release to be undone: a rollback, a recovery, the end of a warm standby."""
        return self.kind != "deploy"

    def to_option(self) -> JsonObject:
        return dataclasses.asdict(self)

    @classmethod
    def from_option(cls, option: Mapping[str, t.Any]) -> ReleaseRef:
        """Raises OptionError when it is not what release_journal gave out."""
        try:
            return cls(
                id=str(option["id"]),
                kind=str(option["kind"]),
                holder=str(option["holder"]),
                token=int(option["token"]),
                namespace=str(option["namespace"]),
                controller_pid=int(option["controller_pid"]),
                controller_started=str(option["controller_started"]),
                fleet=FleetRef.from_option(option["fleet"]),
                lease_s=float(option["lease_s"]),
                renew_s=float(option["renew_s"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"is not what release_journal gave out as `release`; wrong or missing: {error}"
            raise OptionError("release", problem) from error


#: What reading a record raises that was edited: no JSON, no base64, no gzip, or something missing in it.
BROKEN: t.Final = (ValueError, KeyError, TypeError, AttributeError, EOFError, OSError, zlib.error)


def summed(record: JsonObject) -> str:
    """A record as text, with a checksum."""
    return json.dumps({**record, "checksum": checksum(record)}, sort_keys=True)


def unsummed(text: str) -> JsonObject:
    """The record of a text. One without a checksum was written before there were any."""
    record = json.loads(text)
    given = record.pop("checksum", None)
    if given is not None and given != checksum(record):
        raise ValueError("the checksum does not match")
    return t.cast("JsonObject", record)


def pack(value: t.Any) -> str:
    """JSON as compressed text. Without a time in it: the same value gives the same text."""
    return base64.b64encode(gzip.compress(json.dumps(value, sort_keys=True).encode(), mtime=0)).decode()


def unpack(text: str) -> t.Any:
    return json.loads(gzip.decompress(base64.b64decode(text)))


def refuse_secrets(option: str, document: Mapping[str, t.Any]) -> None:
    """Raise OptionError for a revision document that holds a Secret."""
    for obj in document.get("objects") or []:
        if isinstance(obj, Mapping) and obj.get("kind") == "Secret":
            name = (obj.get("metadata") or {}).get("name")
            raise OptionError(option, f"holds the Secret {name}; Secrets are never recorded")


def pack_document(option: str, document: Mapping[str, t.Any]) -> str:
    """A revision document for one ConfigMap. Raises OptionError when it holds a Secret or is too large."""
    refuse_secrets(option, document)
    text = pack(document)
    if len(text) > LARGEST_DOCUMENT:
        limit = f"the limit of a ConfigMap is {LARGEST_DOCUMENT // 1000} kB"
        raise OptionError(option, f"is {len(text) // 1000} kB even compressed, and {limit}")
    return text


def refuse_what_has_no_room(before: Mapping[str, t.Any], planned: Sequence[Mapping[str, t.Any]]) -> None:
    """Raise OptionError when a journal could not hold what was there before and every write of the release: an entry
    has the whole object from before it and from after it. The way back needs no more than the rest up to 1 MiB."""
    kept, writes = len(pack_document("before", before)), 2 * len(pack(list(planned)))
    if kept + writes > LARGEST_DOCUMENT:
        raise OptionError(
            "before",
            f"is {kept // 1000} kB compressed and the writes of this release are up to {writes // 1000} kB, and the "
            f"journal has {LARGEST_DOCUMENT // 1000} kB for both; release fewer services at once, or keep large "
            "ConfigMaps out of their manifests",
        )
