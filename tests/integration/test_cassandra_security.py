"""Cassandra over TLS with user and password, and what a process says that it does not let in."""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from agents.archive.cassandra.access import keyspace_of
from agents.archive.cassandra.schema import apply_schema, migrations
from agents.archive.cassandra.session import open_session
from models.errors import SettingsError, StoreError
from models.settings import Settings
from services.local.ports import LOOPBACK, is_listening
from tests.integration.cassandra_node import CassandraForTests
from tests.integration.commands import cointide
from tests.integration.secured_kafka import Authority
from tests.integration.waiting import until

_USER = "cointide"
_WRONG = "not-the-password"
# As a new cluster has it, until its operator gives it another password.
_FIRST_USER = "cassandra"


class SecuredCassandra(CassandraForTests):
    """One node that speaks TLS alone, asks for a certificate, a user and a password."""

    def __init__(self, settings: Settings) -> None:
        """Make the certificates below the data folder."""
        self.password = secrets.token_urlsafe(12)
        self.key_password = secrets.token_urlsafe(12)
        self.authority = Authority(settings.data_dir / "certificates")
        certificate, key = self.authority.issue("client", self.key_password)
        super().__init__(settings, self._configuration(settings.data_dir), self._is_listening)
        self.by_password: dict[str, object] = {
            **self.contact,
            "data_dir": settings.data_dir / "processes",
            "cassandra_username": _USER,
            "cassandra_password": self.password,
            "cassandra_ssl": True,
            "cassandra_ssl_ca_file": str(self.authority.file),
            "cassandra_ssl_certificate_file": str(certificate),
            "cassandra_ssl_key_file": str(key),
            "cassandra_ssl_key_password": self.key_password,
        }

    def allowed(self, **changes: object) -> Settings:
        """Return the settings of a process that is let in."""
        return Settings.model_validate(self.by_password | changes)

    def add_user(self) -> None:
        """Make the user known to it: one that may make keyspaces of its own and no roles."""
        first = self.allowed(cassandra_username=_FIRST_USER, cassandra_password=_FIRST_USER)

        self._refusal = ""

        def is_added() -> bool:
            try:
                with open_session(first, keyspace="") as session:
                    # It may be there of a try whose second half has failed.
                    session.execute(
                        f"CREATE ROLE IF NOT EXISTS {_USER} "
                        f"WITH LOGIN = true AND PASSWORD = '{self.password}'"
                    )
                    session.execute(f"GRANT CREATE ON ALL KEYSPACES TO {_USER}")
            except StoreError as error:
                self._refusal = str(error)
                return False
            return True

        # The first user is made a moment after the port is open.
        until(is_added, "the first user", lambda: f"{self._refusal}\n{self.process.log_tail()}")

    def _is_listening(self) -> bool:
        return is_listening(int(self.node.address.rpartition(":")[2]))

    def _configuration(self, folder: Path) -> dict[str, object]:
        certificate, key = (path.read_bytes() for path in self.authority.issue("node"))
        ours = x509.load_pem_x509_certificate(certificate)
        authority = x509.load_pem_x509_certificate(self.authority.file.read_bytes())
        secret = secrets.token_urlsafe(12)
        locked = serialization.BestAvailableEncryption(secret.encode())
        private = serialization.load_pem_private_key(key, None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        keys, trusted = folder / "keys.p12", folder / "trusted.p12"
        keys.write_bytes(
            pkcs12.serialize_key_and_certificates(b"node", private, ours, [authority], locked)
        )
        trusted.write_bytes(
            pkcs12.serialize_java_truststore(
                [pkcs12.PKCS12Certificate(authority, b"authority")], locked
            )
        )
        return {
            "authenticator": {"class_name": "PasswordAuthenticator"},
            "authorizer": {"class_name": "CassandraAuthorizer"},
            "role_manager": {"class_name": "CassandraRoleManager"},
            "client_encryption_options": {
                "enabled": True,
                "optional": False,
                "require_client_auth": True,
                "store_type": "PKCS12",
                "keystore": str(keys),
                "keystore_password": secret,
                "truststore": str(trusted),
                "truststore_password": secret,
            },
        }


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, jars_dir: Path) -> Iterator[SecuredCassandra]:
    """Start one node for this module."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("secured"), jars_dir=jars_dir)
    with SecuredCassandra(settings) as secured:
        secured.add_user()
        yield secured


def test_the_archive_is_used_as_without_security(secured: SecuredCassandra) -> None:
    """Schema, writes and reads; the user makes its own keyspace and needs no further right.

    No secret is printed.
    """
    settings = secured.allowed()
    for _ in range(2):
        done = cointide(settings, "archive", "schema", "--wait")
        assert done.returncode == 0, done.stderr
    for secret in (secured.password, secured.key_password):
        assert secret not in done.stdout + done.stderr
    with open_session(settings) as session:
        session.execute("INSERT INTO progress (topic, partition, source) VALUES ('a', 1, 'b')")
        assert session.execute("SELECT topic, partition, source FROM progress") == [("a", 1, "b")]


def test_a_keyspace_of_somebody_else_will_do(secured: SecuredCassandra) -> None:
    """Where it is there, its user needs no right to create one."""
    first = secured.allowed(
        namespace="given", cassandra_username=_FIRST_USER, cassandra_password=_FIRST_USER
    )
    guest, password = "guest", secrets.token_urlsafe(12)
    with open_session(first, keyspace="") as session:
        apply_schema(session, first, migrations())
        session.execute(f"CREATE ROLE {guest} WITH LOGIN = true AND PASSWORD = '{password}'")
        session.execute(f'GRANT ALL ON KEYSPACE "{keyspace_of(first)}" TO {guest}')
    own = secured.allowed(namespace="given", cassandra_username=guest, cassandra_password=password)
    with open_session(own, keyspace="") as session:
        said: list[str] = []
        apply_schema(session, own, migrations(), said.append)
        assert said == []


def test_a_wrong_password_is_told_in_one_sentence(secured: SecuredCassandra) -> None:
    """It says user and variable, and no password; a command ends with it."""
    settings = secured.allowed(cassandra_password=_WRONG)
    done = cointide(settings, "archive", "schema")
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith(
        f"cointide: expected Cassandra at {secured.node.address} to let in user '{_USER}' with the "
        "password of COINTIDE_CASSANDRA_PASSWORD, but "
    )
    assert "incorrect" in done.stderr
    assert _WRONG not in done.stderr
    assert secured.password not in done.stderr
    nobody = secured.allowed(cassandra_username="", cassandra_password="")
    with pytest.raises(StoreError, match=r"to let in user '' .*requires authentication"):
        open_session(nobody)


def test_what_a_user_may_not_is_told(secured: SecuredCassandra) -> None:
    """Another one's tables, for one."""
    with (
        open_session(secured.allowed(), keyspace="") as session,
        pytest.raises(StoreError, match="Unauthorized"),
    ):
        session.execute("SELECT * FROM system_auth.roles")


def test_without_a_certificate_nobody_is_let_in(secured: SecuredCassandra) -> None:
    """Nor without TLS."""
    bare = {"cassandra_ssl_certificate_file": "", "cassandra_ssl_key_file": ""}
    without = secured.allowed(**bare, cassandra_ssl_key_password="")
    with pytest.raises(StoreError, match=r"expected Cassandra at .* but "):
        open_session(without, keyspace="")
    plain = secured.allowed(
        **bare, cassandra_ssl_key_password="", cassandra_ssl_ca_file="", cassandra_ssl=False
    )
    with pytest.raises(StoreError, match=r"expected Cassandra at .* to answer, but "):
        open_session(plain, keyspace="")


def test_a_node_of_another_authority_is_refused(secured: SecuredCassandra, tmp_path: Path) -> None:
    """A password is not shown to a node whose certificate we do not trust."""
    other = Authority(tmp_path / "other")
    with pytest.raises(StoreError, match=r"each other's certificates .*certificate verify failed"):
        open_session(secured.allowed(cassandra_ssl_ca_file=str(other.file)))


def test_the_certificate_must_name_the_address_unless_that_is_not_checked(
    secured: SecuredCassandra,
) -> None:
    """One that our authority has signed for another address is refused."""
    certificate, key = secured.authority.issue("elsewhere", host="127.0.0.2")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def greet_one(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            context.wrap_socket(connection, server_side=True).close()

    with socket.create_server((LOOPBACK, 0)) as server, ThreadPoolExecutor(1) as pool:
        there = {
            "cassandra_contact_points": f"{LOOPBACK}:{server.getsockname()[1]}",
            "cassandra_request_timeout_s": 1.0,
        }
        for is_checked in (True, False):
            greeting = pool.submit(greet_one, server)
            settings = secured.allowed(**there, cassandra_ssl_check_hostname=is_checked)
            with pytest.raises(StoreError) as caught:
                open_session(settings, keyspace="")
            greeting.result(30)
            assert ("IP address mismatch" in str(caught.value)) == is_checked, caught.value


def test_a_file_that_cannot_be_used_is_told_without_its_password(secured: SecuredCassandra) -> None:
    """A wrong password of the key, and a file that is not there."""
    with pytest.raises(SettingsError, match="expected TLS settings") as caught:
        open_session(secured.allowed(cassandra_ssl_key_password=_WRONG))
    assert _WRONG not in str(caught.value)
    with pytest.raises(SettingsError, match="expected TLS settings"):
        open_session(secured.allowed(cassandra_ssl_ca_file="/missing.pem"))
