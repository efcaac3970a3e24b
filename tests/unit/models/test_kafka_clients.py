"""The settings of Kafka's security: what they become, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from pydantic import ValidationError

from models.kafka_clients import client_configuration
from models.settings import Settings, environment_of

SECRET = "0pen-sesame"
SASL: dict[str, Any] = {"kafka_sasl_username": "cointide", "kafka_sasl_password": SECRET}
CERTIFICATE: dict[str, Any] = {
    "kafka_ssl_certificate_file": "me.pem",
    "kafka_ssl_key_file": "key.pem",
}


def test_without_security_there_is_the_address_alone() -> None:
    """Nothing that Kafka's own defaults would not do is set."""
    assert client_configuration(Settings(), "a:1,b:2") == {"bootstrap.servers": "a:1,b:2"}


def test_mutual_tls_names_the_files_and_the_password_of_the_key() -> None:
    """Each file under librdkafka's name of it; SASL stays out."""
    settings = Settings(
        kafka_security_protocol="ssl",
        kafka_ssl_ca_file="ca.pem",
        kafka_ssl_key_password=SECRET,
        **CERTIFICATE,
    )
    assert client_configuration(settings, "a:1") == {
        "bootstrap.servers": "a:1",
        "security.protocol": "ssl",
        "ssl.endpoint.identification.algorithm": "https",
        "ssl.ca.location": "ca.pem",
        "ssl.certificate.location": "me.pem",
        "ssl.key.location": "key.pem",
        "ssl.key.password": SECRET,
    }


def test_sasl_without_tls_names_the_user_alone() -> None:
    """No option of TLS is set where there is none."""
    settings = Settings(
        kafka_security_protocol="sasl_plaintext", kafka_sasl_mechanism="SCRAM-SHA-256", **SASL
    )
    assert client_configuration(settings, "a:1") == {
        "bootstrap.servers": "a:1",
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.username": "cointide",
        "sasl.password": SECRET,
    }


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("is_checked", [True, False])
def test_librdkafka_takes_the_configuration(mechanism: str, is_checked: bool) -> None:
    """A client can be made of it, and the system's authorities are trusted without a file."""
    settings = Settings.model_validate(
        {
            "kafka_security_protocol": "sasl_ssl",
            "kafka_sasl_mechanism": mechanism,
            "kafka_ssl_check_hostname": is_checked,
            **SASL,
        }
    )
    configuration = client_configuration(settings, "127.0.0.1:1")
    assert configuration["ssl.endpoint.identification.algorithm"] == (
        "https" if is_checked else "none"
    )
    assert "ssl.ca.location" not in configuration
    AdminClient({**configuration, "log_level": 0})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"kafka_sasl_password": SECRET},
            (
                "COINTIDE_KAFKA_SECURITY_PROTOCOL to be sasl_plaintext or sasl_ssl with "
                "COINTIDE_KAFKA_SASL_PASSWORD, was plaintext"
            ),
        ),
        (
            {"kafka_security_protocol": "ssl", **SASL},
            (
                "COINTIDE_KAFKA_SECURITY_PROTOCOL to be sasl_plaintext or sasl_ssl with "
                "COINTIDE_KAFKA_SASL_USERNAME and COINTIDE_KAFKA_SASL_PASSWORD, was ssl"
            ),
        ),
        (
            {"kafka_security_protocol": "sasl_plaintext", "kafka_ssl_ca_file": "ca.pem", **SASL},
            (
                "COINTIDE_KAFKA_SECURITY_PROTOCOL to be ssl or sasl_ssl with "
                "COINTIDE_KAFKA_SSL_CA_FILE, was sasl_plaintext"
            ),
        ),
        (
            {"kafka_security_protocol": "sasl_ssl", "kafka_sasl_password": SECRET},
            (
                "COINTIDE_KAFKA_SASL_USERNAME to be set with "
                "COINTIDE_KAFKA_SECURITY_PROTOCOL=sasl_ssl, was empty"
            ),
        ),
        (
            {"kafka_security_protocol": "sasl_ssl"},
            "COINTIDE_KAFKA_SASL_USERNAME and COINTIDE_KAFKA_SASL_PASSWORD to be set",
        ),
        (
            {"kafka_security_protocol": "ssl", "kafka_ssl_certificate_file": "me.pem"},
            "COINTIDE_KAFKA_SSL_KEY_FILE to be set with COINTIDE_KAFKA_SSL_CERTIFICATE_FILE",
        ),
        (
            {"kafka_security_protocol": "ssl", "kafka_ssl_key_file": "key.pem"},
            "COINTIDE_KAFKA_SSL_CERTIFICATE_FILE to be set with COINTIDE_KAFKA_SSL_KEY_FILE",
        ),
        (
            {"kafka_security_protocol": "ssl", "kafka_ssl_key_password": SECRET},
            "COINTIDE_KAFKA_SSL_KEY_FILE to be set with COINTIDE_KAFKA_SSL_KEY_PASSWORD",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(
    given: dict[str, Any], expected: str
) -> None:
    """The sentence names the variables and what was expected, and shows no secret."""
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(given)
    assert expected in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_process_gets_the_secrets_by_its_environment_and_shows_them_nowhere() -> None:
    """What one process writes for another is whole; how the settings print is not."""
    settings = Settings(kafka_security_protocol="sasl_ssl", **SASL)
    assert environment_of(settings)["COINTIDE_KAFKA_SASL_PASSWORD"] == SECRET
    assert SECRET not in repr(settings)
    assert SECRET not in settings.model_dump_json()
