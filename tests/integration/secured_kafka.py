"""A real Kafka that asks who is there: TLS with client certificates, and SASL over TLS.

Use `SecuredKafka` as a context; its one process is ended at the exit. Everything that is secret
in it is made anew for every run.
"""

from __future__ import annotations

import datetime
import ipaddress
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from models.errors import TransportError
from models.settings import Settings
from services.kafka_access import admitted_brokers
from services.local.kafka.broker import KafkaBroker, answers_metadata
from services.local.ports import LOOPBACK, choose_port
from tests.integration.waiting import tail_of, until

USER = "cointide"
_LIMIT_S = 30.0
_DAY = datetime.timedelta(days=1)
_LISTENERS = ("PLAINTEXT", "CONTROLLER", "SSL", "SASL_SSL")
_LOGIN = "org.apache.kafka.common.security"


class Authority:
    """A certificate authority, and the files of the certificates that it has signed."""

    def __init__(self, folder: Path) -> None:
        """Make its own certificate, `ca.pem`."""
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("authority")
        certificate = (
            self._to_sign(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / "ca.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, key_password: str = "", host: str = LOOPBACK) -> tuple[Path, Path]:
        """Return the files of a certificate for `name` on an address, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        address = x509.IPAddress(ipaddress.ip_address(host))
        certificate = (
            self._to_sign(_name(name), key)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if key_password:
            encryption = serialization.BestAvailableEncryption(key_password.encode())
        files = self._folder / f"{name}.pem", self._folder / f"{name}.key.pem"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
            )
        )
        return files

    def _to_sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
        )


class SecuredKafka:
    """One broker of the local stack's kind, with two more listeners that ask who is there."""

    def __init__(self, settings: Settings) -> None:
        """Choose the ports and make the certificates below the data folder."""
        self._settings = settings
        self._ports: dict[str, int] = {}
        for use in _LISTENERS:
            self._ports[use] = choose_port(use, 0, None, self._ports.values())
        self._broker = KafkaBroker(settings, self._ports["PLAINTEXT"], self._ports["CONTROLLER"])
        self._log = settings.data_dir / "logs" / "kafka.log"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self.password = secrets.token_urlsafe(12)
        self.key_password = secrets.token_urlsafe(12)
        self.authority = Authority(settings.data_dir / "certificates")
        self.client_files = self.authority.issue("client", self.key_password)

    def __enter__(self) -> SecuredKafka:
        """Start it, and make the user known to it."""
        self._broker.prepare()
        # Formatted as the local stack's, then given its own listeners.
        properties = self._settings.data_dir.absolute() / "kafka" / "server.properties"
        own = "".join(f"{name}={value}\n" for name, value in self._properties().items())
        properties.write_text(properties.read_text() + own)
        plan = self._broker.plan()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                plan.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self._wait_and_add_user()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def brokers(self, listener: str, host: str = LOOPBACK) -> str:
        """Return the bootstrap servers of a listener, `SSL` or `SASL_SSL`."""
        return f"{host}:{self._ports[listener]}"

    def by_password(self, mechanism: str, **changes: object) -> Settings:
        """Return the settings of a process that shows a password, over TLS."""
        return self._secured(
            changes,
            kafka_security_protocol="sasl_ssl",
            kafka_brokers=self.brokers("SASL_SSL"),
            kafka_sasl_mechanism=mechanism,
            kafka_sasl_username=USER,
            kafka_sasl_password=self.password,
        )

    def by_certificate(self, **changes: object) -> Settings:
        """Return the settings of a process that shows a certificate."""
        certificate, key = self.client_files
        return self._secured(
            changes,
            kafka_security_protocol="ssl",
            kafka_brokers=self.brokers("SSL"),
            kafka_ssl_certificate_file=str(certificate),
            kafka_ssl_key_file=str(key),
            kafka_ssl_key_password=self.key_password,
        )

    def _secured(self, changes: Mapping[str, object], **own: object) -> Settings:
        return Settings.model_validate(
            {
                "data_dir": self._settings.data_dir / "workers",
                "kafka_ssl_ca_file": str(self.authority.file),
                **own,
                **changes,
            }
        )

    def _properties(self) -> Mapping[str, object]:
        certificate, key = self.authority.issue("broker")
        keys = certificate.with_name("broker.both.pem")
        keys.write_bytes(key.read_bytes() + certificate.read_bytes())
        addresses = {name: f"{name}://{LOOPBACK}:{port}" for name, port in self._ports.items()}
        protocols = {name: name for name in _LISTENERS} | {"CONTROLLER": "PLAINTEXT"}
        user = f'username="{USER}" password="{self.password}" user_{USER}="{self.password}"'
        sasl = "listener.name.sasl_ssl."
        return {
            "listeners": ",".join(addresses.values()),
            "listener.security.protocol.map": ",".join(map(":".join, protocols.items())),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": keys,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.authority.file,
            "listener.name.ssl.ssl.client.auth": "required",
            f"{sasl}sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            f"{sasl}plain.sasl.jaas.config": f"{_LOGIN}.plain.PlainLoginModule required {user};",
            f"{sasl}scram-sha-512.sasl.jaas.config": f"{_LOGIN}.scram.ScramLoginModule required;",
        }

    def _wait_and_add_user(self) -> None:
        inside = self.brokers("PLAINTEXT")

        def is_ready() -> bool:
            assert self._process.poll() is None, f"Kafka has ended\n{tail_of(self._log)}"
            return answers_metadata(inside)

        until(is_ready, "Kafka to be ready", lambda: tail_of(self._log))
        user = UserScramCredentialUpsertion(
            USER, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), self.password.encode()
        )
        client = AdminClient({"bootstrap.servers": inside})
        for future in client.alter_user_scram_credentials([user]).values():
            future.result(_LIMIT_S)

        def is_let_in() -> bool:
            try:
                admitted_brokers(self.by_password("SCRAM-SHA-512"))
            except TransportError:
                return False
            return True

        # A broker says yes before it knows the password.
        until(is_let_in, "the user to be let in", lambda: tail_of(self._log))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
