# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone behind the shim, a client of its own that knows no rules of ours, and the provider."""

from __future__ import annotations

import pathlib
import time
import typing as t
import uuid

import boto3
import botocore.config
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import route53
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.route53 import Route53
from moto_process import SEEDED
from route53_shim import Bucket, Route53Shim

ZONE: t.Final = "pincex.test."
NAME: t.Final = "api.pincex.test."
ADDRESSES: t.Final = {"us-east-1": "127.0.1.1", "eu-west-1": "127.0.2.1"}
SECRET: t.Final = "testing-secret"

Record = dict[str, t.Any]


def record(region: str, weight: int, **fields: t.Any) -> Record:
    """A weighted record of the set; a field that is None is left out."""
    address = ADDRESSES.get(region, "127.0.9.1")
    values = {"Name": NAME, "Type": "A", "SetIdentifier": region, "Weight": weight, "TTL": 30}
    whole = {**values, "ResourceRecords": [{"Value": address}], **fields}
    return {name: value for name, value in whole.items() if value is not None}


class World:
    """`end` is far away. The credentials come from the environment."""

    def __init__(self, moto_port: int, folder: pathlib.Path, seeded: int = 0) -> None:
        self.shim = Route53Shim(moto_port)
        self.folder = folder
        config = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=60, parameter_validation=False)
        self.client = boto3.client("route53", region_name="us-east-1", endpoint_url=self.shim.url, config=config)
        made = self.client.create_hosted_zone(
            Name=ZONE, CallerReference=str(uuid.uuid4()), HostedZoneConfig={"Comment": SEEDED.format(seeded)}
        )
        self.zone = made["HostedZone"]["Id"].rpartition("/")[2]
        self.provider = self.another()

    @property
    def end(self) -> float:
        return time.monotonic() + 30.0

    def options(self, **given: t.Any) -> dict[str, t.Any]:
        file = str(self.folder / "bucket")
        return {"zone_id": self.zone, "endpoint_url": self.shim.url, "bucket_file": file, **given}

    def another(self, **given: t.Any) -> Route53:
        return Route53.from_options(self.options(**given), SystemClock())

    def send(self, *changes: tuple[str, Record]) -> str:
        """What somebody else writes. Returns the id of the change."""
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": one} for action, one in changes]}
        answer = self.client.change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch=batch)
        return str(answer["ChangeInfo"]["Id"]).rpartition("/")[2]

    def make(self, *records: Record) -> None:
        self.send(*(("CREATE", one) for one in records))
        self.forget()

    def stored(self, name: str = NAME, kind: str = "A") -> list[Record]:
        found = self.client.list_resource_record_sets(
            HostedZoneId=self.zone, StartRecordName=name, StartRecordType=kind
        )
        return [one for one in found["ResourceRecordSets"] if one["Name"] == name and one["Type"] == kind]

    def forget(self) -> None:
        """What was asked until now is not counted, and all changes are everywhere."""
        self.shim.settle()
        self.shim.log.clear()
        self.shim.account, self.shim.health_limit = Bucket(10, 50), Bucket(1, 4)

    def poll_fast(self, monkeypatch: t.Any) -> None:
        monkeypatch.setattr(route53, "_POLL_S", (0.02, 0.05))
