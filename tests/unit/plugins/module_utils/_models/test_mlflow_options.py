# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the registry that are refused before anything is asked."""

from __future__ import annotations

import math
import pathlib

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.mlflow_registry import MlflowRegistry
from fakes import FakeClock


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"url": "mlflow:5000"}, "registry.url"),
        ({"url": "http://anna:secret@mlflow"}, "registry.url"),
        ({"url": "http://mlflow/?token=secret"}, "registry.url"),
        ({"url": "http://mlflow", "username": "anna"}, "registry.username"),
        ({"url": "http://mlflow", "password_file": "FILE"}, "registry.username"),
        (
            {"url": "http://mlflow", "username": "anna", "password_file": "FILE", "token_file": "FILE"},
            "registry.token_file",
        ),
        ({"url": "http://mlflow", "token_file": "/nowhere"}, "registry.token_file"),
        ({"url": "http://mlflow", "ca_cert": "/nowhere"}, "registry.ca_cert"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, str], option: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("secret\n")
    given = {name: str(tmp_path / "file") if value == "FILE" else value for name, value in options.items()}
    with pytest.raises(OptionError) as caught:
        MlflowRegistry.from_options(given, FakeClock())
    assert caught.value.option == option
    assert "secret" not in caught.value.message


def test_a_model_that_cannot_be_searched_for_is_named() -> None:
    one = MlflowRegistry.from_options({"url": "http://mlflow"}, FakeClock())
    with pytest.raises(OptionError, match=r"^model: it's has a quote"):
        one.versions("it's", math.inf)
