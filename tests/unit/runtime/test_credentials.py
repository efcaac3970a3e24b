"""What Faust's client is given to be let in by Kafka."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from agents.runtime.credentials import broker_credentials
from models.errors import SettingsError
from models.settings import Settings

SECRET = "0pen-sesame"
SASL = {"kafka_sasl_username": "cointide", "kafka_sasl_password": SECRET}


def test_without_security_there_are_no_credentials() -> None:
    """Faust's own default."""
    assert broker_credentials(Settings()) is None


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_aiokafka_is_given_user_mechanism_and_protocol(mechanism: str) -> None:
    """Faust hands every mechanism on as it is set; without TLS there is no context."""
    settings = Settings.model_validate(
        {"kafka_security_protocol": "sasl_plaintext", "kafka_sasl_mechanism": mechanism, **SASL}
    )
    assert credentials_to_aiokafka_auth(broker_credentials(settings)) == {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": "cointide",
        "sasl_plain_password": SECRET,
        "ssl_context": None,
    }


@pytest.mark.parametrize("protocol", ["ssl", "sasl_ssl"])
@pytest.mark.parametrize("is_checked", [True, False])
def test_tls_always_verifies_and_checks_the_host_as_set(protocol: str, is_checked: bool) -> None:
    """Without the check of the host's name the certificate must still be signed."""
    settings = Settings.model_validate(
        {
            "kafka_security_protocol": protocol,
            "kafka_ssl_check_hostname": is_checked,
            **(SASL if protocol == "sasl_ssl" else {}),
        }
    )
    given = credentials_to_aiokafka_auth(broker_credentials(settings))
    assert given["security_protocol"] == protocol.upper()
    context = given["ssl_context"]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname is is_checked


def test_a_file_that_is_no_certificate_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """It says which settings to look at."""
    nonsense = tmp_path / "ca.pem"
    nonsense.write_text("nonsense")
    for path in (nonsense, tmp_path / "missing.pem"):
        settings = Settings(kafka_security_protocol="ssl", kafka_ssl_ca_file=str(path))
        with pytest.raises(SettingsError, match="expected COINTIDE_KAFKA_SSL_CA_FILE"):
            broker_credentials(settings)
