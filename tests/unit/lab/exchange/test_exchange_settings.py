# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from lab.exchange.settings import SettingsError, read_settings

CORE = {"PINCEX_SERVICE": "core-api", "REFERENCE_DATA_URL": "http://198.18.1.2"}


def test_the_engine_is_found_by_what_kubernetes_sets() -> None:
    settings = read_settings(
        {**CORE, "MATCHING_ENGINE_SERVICE_HOST": "10.96.1.7", "MATCHING_ENGINE_SERVICE_PORT": "8080"}
    )
    assert settings.engine_url == "http://10.96.1.7:8080"
    assert (
        read_settings({**CORE, "ENGINE_URL": "http://e:1", "MATCHING_ENGINE_SERVICE_HOST": "x"}).engine_url
        == "http://e:1"
    )


def test_only_the_engine_does_not_linger() -> None:
    assert read_settings({}, "reference-data").linger_s == 3
    assert read_settings({}, "matching-engine").linger_s == 0
    assert read_settings({"LINGER_S": "0.5"}, "matching-engine").linger_s == 0.5


def test_a_follower_begins_without_deposits() -> None:
    assert read_settings({}, "matching-engine").opening_balances
    assert not read_settings({"OPENING_BALANCES": "off"}, "matching-engine").opening_balances


def test_faults_have_to_be_allowed() -> None:
    assert read_settings({}, "matching-engine").faults is None
    assert read_settings({"PINCEX_FAULTS": "on"}, "matching-engine").faults == ()
    assert read_settings({"PINCEX_FAULTS": "balance_lost"}, "matching-engine").faults == ("balance_lost",)


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({}, "PINCEX_SERVICE"),
        ({"PINCEX_SERVICE": "other"}, "PINCEX_SERVICE"),
        ({"PINCEX_SERVICE": "reference-data", "PINCEX_VERSION": "v7"}, "PINCEX_VERSION"),
        ({"PINCEX_SERVICE": "reference-data", "PORT": "http"}, "PORT"),
        ({"PINCEX_SERVICE": "reference-data", "LINGER_S": "-1"}, "LINGER_S"),
        ({"PINCEX_SERVICE": "reference-data", "LINGER_S": "nan"}, "LINGER_S"),
        (CORE, "ENGINE_URL"),
        ({"PINCEX_SERVICE": "matching-engine", "PINCEX_FAULTS": "on,other"}, "PINCEX_FAULTS"),
        ({"PINCEX_SERVICE": "core-api", "ENGINE_URL": "http://e:1"}, "REFERENCE_DATA_URL"),
    ],
)
def test_bad_settings_are_named(env: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=f"^{named}"):
        read_settings(env)
