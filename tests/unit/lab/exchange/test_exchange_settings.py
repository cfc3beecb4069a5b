# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from lab.exchange.settings import SettingsError, read_settings

CORE = {"PINCEX_SERVICE": "core-api", "REFERENCE_DATA_URL": "http://198.18.1.2"}


def test_the_engines_are_found_by_what_kubernetes_sets() -> None:
    blue = {"MATCHING_ENGINE_BLUE_SERVICE_HOST": "10.96.1.7", "MATCHING_ENGINE_BLUE_SERVICE_PORT": "8081"}
    both = {**blue, "MATCHING_ENGINE_GREEN_SERVICE_HOST": "10.96.1.8"}
    assert read_settings({**CORE, **blue}).engine_urls == ("http://10.96.1.7:8081",)
    assert read_settings({**CORE, **both}).engine_urls == ("http://10.96.1.7:8081", "http://10.96.1.8:8080")
    assert read_settings({**CORE, **both}).engine_url == "http://10.96.1.7:8081"
    told = read_settings({**CORE, **both, "ENGINE_URL": "http://e:1"})
    assert (told.engine_url, told.engine_urls) == ("http://e:1", ())
    told = read_settings({**CORE, **both, "ENGINE_URLS": "http://e:1, http://e:2"})
    assert told.engine_urls == ("http://e:1", "http://e:2")


def test_the_peer_is_found_by_its_service_or_its_name() -> None:
    env = {"ENGINE_PEER": "matching-engine-green", "MATCHING_ENGINE_GREEN_SERVICE_HOST": "10.96.1.8"}
    settings = read_settings(env, "matching-engine")
    assert (settings.engine_peer, settings.peer_url) == ("matching-engine-green", "http://10.96.1.8:8080")
    # Its Service is younger than this pod.
    del env["MATCHING_ENGINE_GREEN_SERVICE_HOST"]
    assert read_settings(env, "matching-engine").peer_url == "http://matching-engine-green:8080"
    assert read_settings({}, "matching-engine").peer_url == ""


def test_only_the_engine_does_not_linger() -> None:
    assert read_settings({}, "reference-data").linger_s == 3
    assert read_settings({}, "matching-engine").linger_s == 0
    assert read_settings({"LINGER_S": "0.5"}, "matching-engine").linger_s == 0.5


def test_flags_are_read_where_somebody_says_so() -> None:
    core = {**CORE, "ENGINE_URL": "http://e:1"}
    told = read_settings({**core, "FLAGS_SYNC": "198.18.0.2:8015"})
    assert (told.flags_sync, told.flags_file) == ("198.18.0.2:8015", "")
    told = read_settings({**core, "FLAGS_SYNC": "", "FLAGS_FILE": "/flags/flags.flagd.json"})
    assert (told.flags_sync, told.flags_file) == ("", "/flags/flags.flagd.json")


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
        (CORE, "ENGINE_URLS"),
        ({**CORE, "ENGINE_URLS": "http://10.96.1.7:8080,http://$(NO_SERVICE_HOST):8080"}, "ENGINE_URLS=.*NO_SERVICE"),
        ({"PINCEX_SERVICE": "matching-engine", "PINCEX_FAULTS": "on,other"}, "PINCEX_FAULTS"),
        ({"PINCEX_SERVICE": "core-api", "ENGINE_URL": "http://e:1"}, "REFERENCE_DATA_URL"),
        ({**CORE, "ENGINE_URL": "http://e:1", "FLAGS_SYNC": "10.0.0.1"}, "FLAGS_SYNC=10.0.0.1: use HOST:PORT"),
        (
            {**CORE, "ENGINE_URL": "http://e:1", "FLAGS_SYNC": "h:1", "FLAGS_FILE": "/f"},
            "FLAGS_SYNC=h:1 and FLAGS_FILE",
        ),
    ],
)
def test_bad_settings_are_named(env: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=f"^{named}"):
        read_settings(env)
