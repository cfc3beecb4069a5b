# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the versions of the models are worth: counted on requests about orders of the flow, whose truth is known."""

from __future__ import annotations

import collections
import functools
import json
import math
import typing as t

import pytest

from lab.models import truth
from lab.models.service.kinds import KINDS, BadRequest, Kind, Output, Request, predict, read_request
from lab.models.service.versions import CHAMPION, DRIFT_ANSWERS, VERSIONS, WEAK_SEGMENT, Version

#: Each share is within three standard deviations of the true one: 1.3 points at 90 %.
COUNT: t.Final = 4000
FAR: t.Final = 3.0

BETTER, WORSE, SLOW, WRONG, DRIFTING, DEAD, FAILING = list(VERSIONS)[1:]
EVERY_KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))


def names() -> list[str]:
    return [f"us-east-1-fixed-{number}" for number in range(COUNT)]


@functools.cache
def asked(model: str) -> list[tuple[Request, Output]]:
    """Requests and what was right."""
    kind = KINDS[model]
    return [(truth.request_of(kind, name), truth.label_of(kind, name)) for name in names()]


@functools.cache
def rights(model: str, version: str) -> list[bool]:
    """Whether each of them was answered right."""
    kind = KINDS[model]
    return [
        truth.is_right(kind, predict(kind, VERSIONS[version], request, number).out, label)
        for number, (request, label) in enumerate(asked(model))
    ]


def share(found: t.Sequence[bool]) -> float:
    return sum(found) / len(found)


def bound(count: int, at: float = 0.9) -> float:
    """How far a counted share may be from the true one."""
    return FAR * math.sqrt(at * (1 - at) / count)


def within(model: str, version: str, segment: str) -> list[bool]:
    pairs = zip(asked(model), rights(model, version), strict=True)
    return [right for (request, _label), right in pairs if request.segment == segment]


@EVERY_KIND
def test_the_champion_is_good_enough_and_can_be_beaten(kind: Kind) -> None:
    found = share(rights(kind.name, CHAMPION))
    assert 0.86 + bound(COUNT) < found < 0.93 - bound(COUNT)


@EVERY_KIND
def test_the_better_one_is_better_in_every_segment(kind: Kind) -> None:
    assert share(rights(kind.name, BETTER)) - share(rights(kind.name, CHAMPION)) > 0.03
    for segment in {request.segment for request, _label in asked(kind.name)}:
        one, other = (within(kind.name, version, segment) for version in (BETTER, CHAMPION))
        assert share(one) > share(other), segment


@EVERY_KIND
def test_the_worse_one_is_below_the_least_that_is_allowed(kind: Kind) -> None:
    assert share(rights(kind.name, WORSE)) < 0.80 + bound(COUNT, 0.8)
    assert share(rights(kind.name, WORSE)) < share(rights(kind.name, CHAMPION)) - 0.08


@EVERY_KIND
def test_the_one_with_a_wrong_segment_looks_good_over_all(kind: Kind) -> None:
    """Not to be told from the champion by its accuracy, and 20 points worse in the one segment."""
    assert share(rights(kind.name, WRONG)) > share(rights(kind.name, CHAMPION)) - bound(COUNT)
    one, other = (within(kind.name, version, WEAK_SEGMENT) for version in (WRONG, CHAMPION))
    assert share(one) < share(other) - 0.2
    apart = [segment for segment in segments(kind) if segment != WEAK_SEGMENT]
    assert all(within(kind.name, WRONG, segment) == within(kind.name, BETTER, segment) for segment in apart)


def segments(kind: Kind) -> t.Counter[str]:
    return collections.Counter(request.segment for request, _label in asked(kind.name))


@EVERY_KIND
def test_segments_are_about_as_large_as_each_other(kind: Kind) -> None:
    found = segments(kind)
    assert len(found) == 10
    assert all(abs(count / COUNT - 0.1) < 0.03 for count in found.values())


@EVERY_KIND
def test_a_drifting_version_begins_as_the_champion_and_ends_elsewhere(kind: Kind) -> None:
    drifting, champion = VERSIONS[DRIFTING], VERSIONS[CHAMPION]
    first = [predict(kind, drifting, request, 0) for request, _label in asked(kind.name)[:100]]
    assert first == [predict(kind, champion, request, 0) for request, _label in asked(kind.name)[:100]]
    late = rights(kind.name, DRIFTING)[DRIFT_ANSWERS:]
    assert share(late) < share(rights(kind.name, CHAMPION)[DRIFT_ANSWERS:]) - 0.2
    scores = [predict(kind, drifting, request, 10**9).score for request, _label in asked(kind.name)]
    before = [predict(kind, champion, request, 0).score for request, _label in asked(kind.name)]
    assert all(math.isclose(one - other, 1.5, abs_tol=1e-5) for one, other in zip(scores, before, strict=True))


@EVERY_KIND
@pytest.mark.parametrize("version", [SLOW, DEAD, FAILING])
def test_versions_with_other_faults_say_what_the_champion_says(kind: Kind, version: str) -> None:
    assert rights(kind.name, version) == rights(kind.name, CHAMPION)


def test_what_is_wrong_with_the_versions() -> None:
    assert [version.name for version in VERSIONS.values() if version.delay_s] == [SLOW]
    assert [version.name for version in VERSIONS.values() if version.silent] == [DEAD]
    assert [version.name for version in VERSIONS.values() if version.failing] == [FAILING]
    assert VERSIONS[SLOW].delay_s == 0.3


def test_a_failing_version_fails_a_fifth_and_the_same_ones_again() -> None:
    found = [VERSIONS[FAILING].fails(name) for name in names()]
    assert abs(share(found) - 0.2) < bound(COUNT, 0.2)
    assert found == [VERSIONS[FAILING].fails(name) for name in names()]
    assert not any(VERSIONS[CHAMPION].fails(name) for name in names())


@EVERY_KIND
def test_the_truth_is_as_the_kinds_say(kind: Kind) -> None:
    """Features of mean 0 and variance 1, on which the weights of the versions rest, and no class that is rare."""
    for name in kind.weights:
        values = [request.features[name] for request, _label in asked(kind.name)]
        mean = sum(values) / COUNT
        assert abs(mean) < FAR / math.sqrt(COUNT)
        assert abs(sum((value - mean) ** 2 for value in values) / COUNT - 1) < 0.08
    labels = collections.Counter(label for _request, label in asked(kind.name))
    if kind.classes:
        assert set(labels) == set(kind.classes)
        assert min(labels.values()) > 0.15 * COUNT
    else:
        assert all(isinstance(label, float) and label > 0 for label in labels)


@EVERY_KIND
def test_a_request_and_its_label_follow_from_the_order(kind: Kind) -> None:
    one, other = truth.request_of(kind, "eu-west-1-a-1"), truth.request_of(kind, "eu-west-1-a-2")
    assert one == truth.request_of(kind, "eu-west-1-a-1")
    assert one != other
    assert truth.label_of(kind, "eu-west-1-a-1") == truth.label_of(kind, "eu-west-1-a-1")


def test_buckets_are_two_digits_and_each_is_as_likely() -> None:
    found = collections.Counter(truth.bucket_of(name) for name in names())
    assert all(len(bucket) == 2 and bucket.isdecimal() for bucket in found)
    low = sum(count for bucket, count in found.items() if int(bucket) < 50)
    assert 0.3 < low / COUNT < 0.7
    assert len(found) > 50


# -- requests


def body(**changes: t.Any) -> dict[str, t.Any]:
    request = truth.request_of(KINDS["fraud"], "us-east-1-a-1")
    return {"id": request.id, "segment": request.segment, "features": dict(request.features), **changes}


def test_a_request_is_read_as_it_was_made() -> None:
    made = truth.request_of(KINDS["fraud"], "us-east-1-a-1")
    assert read_request(KINDS["fraud"], json.loads(json.dumps(body()))) == made


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ([], "not a JSON object"),
        (body(id=""), "id:"),
        (body(id="x" * 129), "id:"),
        (body(segment=7), "segment:"),
        (body(features=[1]), "features:"),
        (body(features={}), "features.velocity:"),
        (body(features={**body()["features"], "age": "old"}), "features.age:"),
        (body(features={**body()["features"], "age": True}), "features.age:"),
        (body(features={**body()["features"], "age": math.nan}), "features.age:"),
    ],
)
def test_a_bad_request_is_refused_by_the_name_of_its_field(changed: t.Any, problem: str) -> None:
    with pytest.raises(BadRequest, match=problem):
        read_request(KINDS["fraud"], changed)


def test_a_version_that_knows_everything_is_right_but_for_chance() -> None:
    kind = KINDS["order-book"]
    whole = Version("v0", "", knows_product=True)
    for request, _label in asked(kind.name)[:200]:
        assert predict(kind, whole, request, 0).out == kind.output(kind.score(request.features), request.features)
