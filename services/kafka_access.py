"""Whether Kafka lets this process in: asked once, at the start of a command.

A client that is refused tries again for ever and only logs why. What is refused here ends the
command with one sentence instead, which names the settings to look at and no secret.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from models.errors import SettingsError, TransportError
from models.kafka_clients import client_configuration
from models.settings import ENVIRONMENT_PREFIX, Settings
from services.local.state import brokers_of

_LIMIT_S = 10.0
_STEP_S = 0.5
_FILES = ("kafka_ssl_ca_file", "kafka_ssl_certificate_file", "kafka_ssl_key_file")
_REFUSALS = {KafkaError._AUTHENTICATION, KafkaError._SSL}
# How OpenSSL tells that the other side has refused the handshake.
_ALERT = "tls alert"


def admitted_brokers(settings: Settings) -> str:
    """Return the bootstrap servers of these settings after Kafka has let us in.

    Raises:
        StackError: neither a broker is set nor a local stack running.
        SettingsError: a file of the TLS settings cannot be used.
        TransportError: Kafka refuses us, or we refuse its certificate.
    """
    brokers = brokers_of(settings)
    if settings.kafka_security_protocol != "plaintext":
        check_access(settings, brokers)
    return brokers


def check_access(settings: Settings, brokers: str, limit_s: float = _LIMIT_S) -> None:
    """Return once Kafka has let us in, or after the limit when it does not answer at all.

    For what does not answer, whoever uses it has a limit and a sentence of their own.

    Raises:
        SettingsError: a file of the TLS settings cannot be used.
        TransportError: Kafka refuses us, or we refuse its certificate.
    """
    for name in _FILES:
        _check_file(name, getattr(settings, name))
    refusals: list[str] = []
    troubles: list[str] = []

    def note(error: KafkaError) -> None:
        text = error.str()
        if error.code() in _REFUSALS or _ALERT in text:
            refusals.append(text)
        elif "SSL" in text:
            # A broker may be starting anew; one that goes on like this speaks no TLS.
            troubles.append(text)

    # What librdkafka would log is what is raised.
    silent = logging.getLogger("cointide.kafka.access")
    silent.setLevel(logging.CRITICAL + 1)
    configuration = client_configuration(settings, brokers) | {"error_cb": note}
    try:
        client = AdminClient(configuration, logger=silent)
    except KafkaException as error:
        raise SettingsError(
            f"expected TLS settings (COINTIDE_KAFKA_SSL_…) that can be used, but {_text(error)}"
        ) from error
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        try:
            client.list_topics(timeout=_STEP_S)
        except KafkaException:
            client.poll(0)
        else:
            return
        if refusals:
            break
    reason = next(iter(refusals or troubles), None)
    if reason is not None:
        raise TransportError(f"expected {_expectation(settings, brokers)}, but {reason}")


def _check_file(name: str, path: str) -> None:
    if not path:
        return
    try:
        Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(
            f"expected {ENVIRONMENT_PREFIX}{name.upper()} to name a file that can be read, "
            f"but: {error}"
        ) from error


def _expectation(settings: Settings, brokers: str) -> str:
    protocol = settings.kafka_security_protocol
    if settings.kafka_uses_sasl:
        return (
            f"Kafka at {brokers} to let in user {settings.kafka_sasl_username!r} by "
            f"{settings.kafka_sasl_mechanism} over {protocol} with the password of "
            "COINTIDE_KAFKA_SASL_PASSWORD"
        )
    return (
        f"Kafka at {brokers} and this client to accept each other's certificates over {protocol} "
        "(COINTIDE_KAFKA_SSL_…)"
    )


def _text(error: KafkaException) -> str:
    first = error.args[0] if error.args else error
    return first.str() if isinstance(first, KafkaError) else str(first)
