# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of the exchange is plain JSON and tar: what a node checks can be checked here."""

from __future__ import annotations

import hashlib
import io
import json
import pathlib
import tarfile

import pytest

from lab import images
from lab.images import Blob

BASE = Blob("sha256:" + "b" * 64, 1000, b"")


def layer_files(blob: Blob) -> dict[str, tarfile.TarInfo]:
    assert isinstance(blob.content, bytes)
    with tarfile.open(fileobj=io.BytesIO(blob.content)) as tar:
        return {info.name: info for info in tar.getmembers()}


@pytest.fixture
def source(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "__main__.py").write_text("print('hello')\n")
    (tmp_path / "book.py").write_text("BOOK = 1\n")
    (tmp_path / "README.md").write_text("not for the image\n")
    return tmp_path


def test_a_manifest_names_config_and_layers_by_digest_and_size() -> None:
    app = images.blob(b"app")
    config = images.blob(images.image_config("v2", [BASE, app]))
    manifest = json.loads(images.manifest(config, [BASE, app]))
    assert manifest["schemaVersion"] == 2
    assert manifest["mediaType"] == images.MANIFEST
    assert manifest["config"] == {"mediaType": images.CONFIG, "digest": config.digest, "size": config.size}
    assert [layer["digest"] for layer in manifest["layers"]] == [BASE.digest, app.digest]
    assert manifest["layers"][1] == {"mediaType": images.LAYER, "digest": app.digest, "size": 3}


def test_a_blob_is_known_by_the_hash_of_its_bytes() -> None:
    assert images.blob(b"app").digest == "sha256:" + hashlib.sha256(b"app").hexdigest()


def test_versions_differ_in_the_configuration_alone() -> None:
    first, second = (json.loads(images.image_config(version, [BASE])) for version in ("v1", "v2"))
    assert "PINCEX_VERSION=v1" in first["config"]["Env"]
    assert "PINCEX_VERSION=v2" in second["config"]["Env"]
    for config in (first, second):
        config["config"].pop("Env")
        config["config"].pop("Labels")
    assert first == second
    # A node compares these with what it has unpacked: a layer that is there is not pulled again.
    assert first["rootfs"]["diff_ids"] == [BASE.digest]


def test_the_missing_tag_is_never_pushed() -> None:
    assert images.VERSIONS == ("v1", "v2", "v3", "v4", "v5", "v6")


def test_an_image_is_the_same_every_time_it_is_made(source: pathlib.Path) -> None:
    first = images.app_layer({"exchange": images.sources(source)})
    for path in source.iterdir():
        path.touch()
    assert images.app_layer({"exchange": images.sources(source)}).digest == first.digest
    assert images.image_config("v1", [first]) == images.image_config("v1", [first])


def test_the_app_layer_holds_the_package_and_what_python_made_of_it(source: pathlib.Path) -> None:
    files = layer_files(images.app_layer({"exchange": images.sources(source)}))
    assert {"app/exchange/__main__.py", "app/exchange/book.py"} <= set(files)
    assert not any(name.endswith(".md") for name in files)
    assert all(info.uid == 0 and info.mtime == 0 and info.mode & 0o444 for info in files.values())


def test_changed_source_is_another_layer(source: pathlib.Path) -> None:
    before = images.app_layer({"exchange": images.sources(source)}).digest
    (source / "book.py").write_text("BOOK = 2\n")
    assert images.app_layer({"exchange": images.sources(source)}).digest != before


def test_the_base_is_built_again_when_its_packages_change(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {images.base_key(b"uvloop==0.23.0"), images.base_key(b"uvloop==0.23.1")}
    monkeypatch.setattr(images, "DEBIAN_PACKAGES", (*images.DEBIAN_PACKAGES, "another"))
    keys.add(images.base_key(b"uvloop==0.23.0"))
    assert len(keys) == 3


def test_the_source_of_the_exchange_fits_the_entry_point() -> None:
    assert (images.SOURCE / "__main__.py").exists()
    config = json.loads(images.image_config("v1", [BASE]))["config"]
    assert config["Entrypoint"] == ["python3", "-m", "exchange"]
    assert "PYTHONPATH=/app" in config["Env"]
    assert config["User"].split(":")[0] != "0"
