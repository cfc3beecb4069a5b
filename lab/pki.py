# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and certificates of a site, and the kubeconfigs that hold them. Each site has an authority of its own."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import os
import pathlib

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.model import Site

# Elliptic keys: made in a millisecond, where an RSA key takes a second of a core.
_CURVE = ec.SECP256R1()
_VALID = datetime.timedelta(days=365)


def write(path: pathlib.Path, content: bytes | str, mode: int = 0o644) -> None:
    """Whole or not at all: a kill in the middle of `up` must not leave half a file for the next one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_bytes(data)
    scratch.chmod(mode)
    scratch.rename(path)


def prepare(site: Site) -> None:
    """Everything that the site's programs need; what is there already stays."""
    folder = site.home / "pki"
    authority(folder, "ca", "pincex-lab-ca")
    authority(folder, "front-proxy-ca", "pincex-lab-front-proxy-ca")
    if not (folder / "sa.pub").exists():
        key = ec.generate_private_key(_CURVE)
        write(folder / "sa.key", _pem(key), 0o600)
        public = key.public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        write(folder / "sa.pub", public.public_bytes(serialization.Encoding.PEM, form))
    service_ip = str(next(ipaddress.ip_network(site.service_network).hosts()))
    names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", site.name]
    issue(folder, "apiserver", "kube-apiserver", names=names, addresses=[site.address, "127.0.0.1", service_ip])
    issue(folder, "kubelet-client", "kube-apiserver-kubelet-client", groups=["system:masters"])
    issue(folder, "front-proxy", "front-proxy-client", signer="front-proxy-ca")
    users = {
        "admin": ("admin", ["system:masters"]),
        "controller-manager": ("system:kube-controller-manager", []),
        "scheduler": ("system:kube-scheduler", []),
        "proxy": ("system:kube-proxy", []),
        "node": (f"system:node:{site.name}", ["system:nodes"]),
    }
    for user, (common_name, groups) in users.items():
        addresses = [site.address, "127.0.0.1"] if user == "node" else []
        issue(folder, user, common_name, groups=groups, names=[site.name], addresses=addresses)
        target = folder / f"{user}.kubeconfig"
        if not target.exists():
            write(target, yaml.safe_dump(kubeconfig(site, user)), 0o600)


def authority(folder: pathlib.Path, name: str, common_name: str) -> None:
    """A self-signed authority NAME.crt and NAME.key."""
    if (folder / f"{name}.crt").exists():
        return
    key = ec.generate_private_key(_CURVE)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    certificate = (
        _builder(subject, subject, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    write(folder / f"{name}.key", _pem(key), 0o600)
    write(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))


def issue(
    folder: pathlib.Path,
    name: str,
    common_name: str,
    *,
    groups: list[str] | None = None,
    names: list[str] | None = None,
    addresses: list[str] | None = None,
    signer: str = "ca",
) -> None:
    """NAME.crt and NAME.key for a client, and for a server at these names and addresses."""
    if (folder / f"{name}.crt").exists():
        return
    signer_key = serialization.load_pem_private_key((folder / f"{signer}.key").read_bytes(), None)
    assert isinstance(signer_key, ec.EllipticCurvePrivateKey)
    issuer = x509.load_pem_x509_certificate((folder / f"{signer}.crt").read_bytes()).subject
    key = ec.generate_private_key(_CURVE)
    organisations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups or []]
    subject = x509.Name([*organisations, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    builder = _builder(subject, issuer, key).add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    alternatives: list[x509.GeneralName] = [x509.DNSName(item) for item in names or []]
    alternatives += [x509.IPAddress(ipaddress.ip_address(item)) for item in addresses or []]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    certificate = builder.sign(signer_key, hashes.SHA256())
    # The key first: prepare() looks for the certificate only.
    write(folder / f"{name}.key", _pem(key), 0o600)
    write(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))


def kubeconfig(site: Site, user: str) -> dict[str, object]:
    """A kubeconfig with its certificates inside, so that it works from anywhere on the machine."""
    folder = site.home / "pki"

    def data(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    login = f"{site.name}-{user}"
    cluster = {"server": site.api_server, "certificate-authority-data": data("ca.crt")}
    keys = {"client-certificate-data": data(f"{user}.crt"), "client-key-data": data(f"{user}.key")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": site.name, "cluster": cluster}],
        "users": [{"name": login, "user": keys}],
        "contexts": [{"name": site.name, "context": {"cluster": site.name, "user": login}}],
        "current-context": site.name,
    }


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _VALID)
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # EC keys in the traditional form are what the API server accepts for service account tokens.
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
