"""Certificates of a control plane, made for one run of the tests."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE = datetime.timedelta(days=2)
_KEY_BITS = 2048


@dataclass(frozen=True)
class Certificate:
    """Paths of a certificate and of its private key, both PEM."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority of its own, which signs what a run of the tests needs."""

    def __init__(self, folder: Path, name: str) -> None:
        """Make it; its certificate is `NAME.crt` in the folder."""
        self._folder = folder
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=_KEY_BITS)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        self._certificate = (
            _builder(subject, subject, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = folder / f"{name}.crt"
        self.certificate.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self, name: str, groups: tuple[str, ...] = (), hosts: tuple[str, ...] = ("localhost",)
    ) -> Certificate:
        """Make a certificate for clients and, on loopback, for servers of these hosts.

        Kubernetes takes the common name for the user and the organisations for the groups.
        """
        key = rsa.generate_private_key(public_exponent=65_537, key_size=_KEY_BITS)
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, name),
                *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups),
            ]
        )
        addresses = [
            *(x509.DNSName(host) for host in hosts),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        certificate = (
            _builder(subject, self._certificate.subject, key.public_key())
            .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        stem = name.replace(":", "-")
        made = Certificate(self._folder / f"{stem}.crt", self._folder / f"{stem}.key")
        made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(made.key, key)
        return made


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + _LIFE)
    )


def _write_key(path: Path, key: rsa.RSAPrivateKey) -> None:
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
