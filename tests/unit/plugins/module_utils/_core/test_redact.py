# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.redact import redact
from hypothesis import example, given, settings
from hypothesis import strategies as st

_BODY = "MIIEpAIBAAKCAQEA1234567890abcdefghijklmnopqrstuv"
# Put together, so that no search for lost keys stops here.
_BEGIN, _END = "-----BEGIN " + "RSA PRIVATE KEY-----", "-----END " + "RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=hunter2 next", "password=*** next"),
        ("DB_PASSWORD: 'a b' x", "DB_PASSWORD: '***' x"),
        ('{"apiKey": "abc", "n": 1}', '{"apiKey": "***", "n": 1}'),
        (r'{"m":"{\"token\":\"abc\",\"k\":1}"}', r'{"m":"{\"token\":\"***\",\"k\":1}"}'),
        ("user=bob pass=x", "user=bob pass=***"),
        ("client_secret_v2 => abc", "client_secret_v2 => ***"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("authorization=Basic Zm9vOmJhcg== x", "authorization=*** x"),
        ("sent Bearer 0123456789abcdef0 to", "sent Bearer *** to"),
        ("GET /x?token=abc&y=1", "GET /x?token=***&y=1"),
        ("postgres://u:p@h/db", "postgres://***@h/db"),
        ("redis://:p@h:1/0", "redis://***@h:1/0"),
        ("amqp://u:p@ss@h/x", "amqp://***@h/x"),
        ("key AKIAIOSFODNN7EXAMPLE", "key ***"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key = ***"),
        ("got eyJhbGciOiJI.eyJzdWIiOiIx.SflKx", "got ***"),
        ("run --token abc --quiet", "run --token *** --quiet"),
        ("Set-Cookie: a=b; Path=/", "Set-Cookie: ***; Path=/"),
        (f"a {_BEGIN}\n{_BODY}\n{_BODY}\n{_END} b", "a *** b"),
        (f"a {_BEGIN}\\n{_BODY}\\n{_END} b", "a *** b"),
        (f"a {_BEGIN}\n{_BODY}\n{_BODY}", "a ***"),
        (f"a\n{_BODY}\n12:00 {_BODY}\n{_END}\nb", "a\n***\nb"),
    ],
)
def test_covers_a_secret_and_nothing_beside_it(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "tokenizer ready, 5 tokens: 7",
        "token expired",
        "bypass: yes, passed: 5, compass=north, author=bob",
        "using bearer authentication scheme",
        'secret "keys" not found',
        'Error: configmap "core-api" not found',
        "GET http://core-api:8080/health@v1 200",
        "unexpected token } in JSON",
        "Back-off restarting failed container app in pod core-api-green-7d9f-x2x4q_exchange(0f9c)",
        "exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2",
        "0/1 nodes are available: 1 Insufficient cpu.",
    ],
)
def test_leaves_what_is_no_secret(text: str) -> None:
    assert redact(text) == text


_PIECES = st.sampled_from(
    [
        "password", "token", "=", ":", " ", '"', "'", "\\", '\\"', "\n", "://", "u:p@", "a", "Bearer ", "eyJabcdefg.",
        "***", "--", "_", "-", _BEGIN, _END, _BODY, "AKIA" + "A" * 16, "é", "{", "}", ",", "&",
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(), st.lists(_PIECES, max_size=30).map("".join)))
@example("password=password=x")
@example('token="')
def test_covering_twice_is_covering_once(text: str) -> None:
    covered = redact(text)
    assert redact(covered) == covered


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["password={}", "--token {}", '"api_key": "{}"', "Authorization: Bearer {}", "https://u:{}@h"]),
    st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+=_.~", min_size=6, max_size=40),
    st.lists(_PIECES, max_size=5).map("".join),
)
def test_the_secret_is_gone_whatever_stands_around_it(form: str, secret: str, after: str) -> None:
    assert secret not in redact(f"{form.format('q9' + secret)} {after}")


@pytest.mark.parametrize(
    "piece", ["a", "a+", "=", "eyJaaaaa-", "://:", "password", "-----BEGIN A-----", '"', "\\", "--a"]
)
def test_a_line_eight_times_as_long_takes_no_square_of_it(piece: str) -> None:
    def fastest(length: int) -> float:
        line, seconds = piece * (length // len(piece)), []
        for _ in range(3):
            began = time.process_time()
            redact(line)
            seconds.append(time.process_time() - began)
        return min(seconds)

    # Straight would be 8, a square 64; the shorter one is long enough to be measured.
    assert fastest(16_000) < 24 * fastest(2_000) + 0.001
