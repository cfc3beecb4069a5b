# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The six kinds of models, and what a version of one makes of a request. Pure.

What is right follows a score: a weighted sum of the features, one product of two of them, and chance. The features are
independent and have mean 0 and variance 1, so least squares over the terms that a version knows gives these very
weights: a version is trained by leaving out what it does not know.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
import typing as t

from lab.models.service.versions import Version

Output: t.TypeAlias = str | float


class BadRequest(ValueError):
    """The request is not one that this model can answer; the text names the field."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """One model. Either `classes`, from the lowest score to the highest, with `limits` between them; or a number: the
    feature `base` times 1 + `scale` x score, right when it is off by at most `tolerance` (a share of the label)."""

    name: str
    #: Of each feature, the one that matters most first.
    weights: t.Mapping[str, float]
    #: The two features whose product matters as well, and how much.
    product: tuple[str, str]
    product_weight: float
    #: Standard deviation of what no feature tells.
    chance: float
    classes: tuple[str, ...] = ()
    limits: tuple[float, ...] = ()
    base: str = ""
    scale: float = 0.0
    tolerance: float = 0.0

    @property
    def features(self) -> tuple[str, ...]:
        """All that a request has to have."""
        return (*self.weights, *((self.base,) if self.base else ()))

    def score(self, features: t.Mapping[str, float]) -> float:
        """What is behind the right output, but for chance."""
        first, second = self.product
        linear = sum(weight * features[name] for name, weight in self.weights.items())
        return linear + self.product_weight * features[first] * features[second]

    def output(self, score: float, features: t.Mapping[str, float]) -> Output:
        """The class or the number that belongs to a score."""
        if self.classes:
            return self.classes[bisect.bisect_right(self.limits, score)]
        return round(features[self.base] * (1 + self.scale * score), 8)


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a model."""

    id: str
    segment: str
    features: t.Mapping[str, float]


@dataclasses.dataclass(frozen=True, slots=True)
class Prediction:
    out: Output
    score: float


def read_request(kind: Kind, body: t.Any) -> Request:
    """The request in a JSON body. Raises BadRequest."""
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    for name in ("id", "segment"):
        if not isinstance(body.get(name), str) or not 1 <= len(body[name]) <= 128:
            raise BadRequest(f"{name}: use a text of 1 to 128 characters")
    given = body.get("features")
    if not isinstance(given, dict):
        raise BadRequest("features: use an object of numbers")
    return Request(body["id"], body["segment"], {name: _number(given, name) for name in kind.features})


def _number(given: t.Mapping[str, t.Any], name: str) -> float:
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRequest(f"features.{name}: use a number")
    return float(value)


def predict(kind: Kind, version: Version, request: Request, answered: int) -> Prediction:
    """What the version makes of the request after it has answered so many others."""
    known = dict(request.features)
    if version.blind_to == request.segment:
        known.update(dict.fromkeys(kind.weights, 0.0))
    score = kind.score(known)
    first, second = kind.product
    if not version.knows_product:
        score -= kind.product_weight * known[first] * known[second]
    if not version.knows_first:
        main = next(iter(kind.weights))
        score -= kind.weights[main] * known[main]
    score += version.drift_after(answered)
    return Prediction(kind.output(score, request.features), round(score, 6))


#: `size` and `distance` come from the order that the request is about (see drive.py), the others from its market.
KINDS: t.Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind(
            "price-prediction",
            {"momentum": 0.65, "imbalance": 0.55, "distance": 0.4, "size": 0.2},
            product=("momentum", "imbalance"),
            product_weight=0.42,
            chance=0.5,
            base="mid",
            scale=0.001,
            tolerance=0.001,
        ),
        Kind(
            "risk",
            {"leverage": 0.6, "exposure": 0.6, "size": 0.4, "volatility": 0.3},
            product=("leverage", "volatility"),
            product_weight=0.25,
            chance=0.1,
            classes=("low", "medium", "high"),
            limits=(-0.7, 0.7),
        ),
        Kind(
            "fraud",
            {"velocity": 0.8, "age": -0.5, "size": 0.4, "distance": 0.2},
            product=("velocity", "age"),
            product_weight=0.4,
            chance=0.15,
            classes=("legitimate", "fraud"),
            limits=(0.5,),
        ),
        Kind(
            "market-analysis",
            {"trend": 0.65, "breadth": 0.6, "volume": 0.4, "distance": 0.2},
            product=("trend", "volume"),
            product_weight=0.25,
            chance=0.1,
            classes=("down", "flat", "up"),
            limits=(-0.5, 0.5),
        ),
        Kind(
            "order-book",
            {"imbalance": 0.7, "pressure": 0.55, "distance": 0.4, "size": 0.2},
            product=("imbalance", "pressure"),
            product_weight=0.46,
            chance=0.15,
            classes=("down", "up"),
            limits=(0.0,),
        ),
        Kind(
            "volatility",
            {"range": 0.6, "volume": 0.55, "spread": 0.4, "size": 0.3},
            product=("range", "volume"),
            product_weight=0.42,
            chance=0.5,
            base="recent",
            scale=0.1,
            tolerance=0.1,
        ),
    )
}
