# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubeconfigs that are not usable, refused before anything is sent."""

from __future__ import annotations

import base64
import datetime
import pathlib
import tempfile

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import open_transport
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

GOOD = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: us-east-1, context: {cluster: c, user: u}}, {name: lame, context: {cluster: gone, user: u}}]
"""


def write(folder: pathlib.Path, text: str) -> str:
    path = folder / "kubeconfig"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_context_is_found_without_a_current_one(tmp_path: pathlib.Path) -> None:
    open_transport(write(tmp_path, GOOD), "us-east-1", "us-east-1")


def test_an_unknown_context_is_refused_and_the_known_ones_are_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(OptionError, match=r"context: eu is not in .* \(there are: us-east-1, lame\)") as caught:
        open_transport(write(tmp_path, GOOD), "eu", "eu")
    assert caught.value.option == "context"


@pytest.mark.parametrize("text", ["a: [b\n: :", "just words", "", "[1, 2]"])
def test_what_is_no_kubeconfig_is_refused(tmp_path: pathlib.Path, text: str) -> None:
    with pytest.raises(OptionError, match=r"kubeconfig: .* is no kubeconfig") as caught:
        open_transport(write(tmp_path, text), "eu", "eu")
    assert caught.value.option == "kubeconfig"


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(OptionError, match="kubeconfig: /nowhere/at/all does not exist"):
        open_transport("/nowhere/at/all", "eu", "eu")


def test_a_context_without_its_cluster_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(OptionError, match=r"kubeconfig: context lame of .* is not usable"):
        open_transport(write(tmp_path, GOOD), "lame", "eu")


def with_certificate() -> str:
    """The good one, with a client certificate inside."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "releaser")])
    now = datetime.datetime.now(tz=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public, secret = (base64.b64encode(part).decode() for part in (certificate, private))
    user = f"{{client-certificate-data: {public}, client-key-data: {secret}}}"
    return GOOD.replace("http:", "https:").replace("{token: t}", user)


def test_no_private_key_stays_behind(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, with_certificate())
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    # Twice, because the client remembers by content which file it wrote.
    for _time in range(2):
        open_transport(path, "us-east-1", "us-east-1")
        assert list(folder.iterdir()) == []


def test_a_key_that_is_none_is_refused(tmp_path: pathlib.Path) -> None:
    user = "{client-certificate-data: eA==, client-key-data: eA==}"
    bad = GOOD.replace("http:", "https:").replace("{token: t}", user)
    with pytest.raises(OptionError, match="is not usable"):
        open_transport(write(tmp_path, bad), "us-east-1", "us-east-1")
