"""How every client of ours speaks to Kafka: the settings as librdkafka's configuration.

Only the address and what guards it; how a client reads or writes it adds itself. Faust's client is
not librdkafka: `agents/runtime/credentials.py` has the same for it.
"""

from __future__ import annotations

from typing import Any

from models.settings import Settings


def client_configuration(settings: Settings, brokers: str) -> dict[str, Any]:
    """Return the configuration with which a client reaches Kafka at `brokers`.

    The names are librdkafka's (https://github.com/confluentinc/librdkafka, CONFIGURATION.md).
    Without a certificate authority of one's own the system's are trusted.

    >>> client_configuration(Settings(), "kafka:9092")
    {'bootstrap.servers': 'kafka:9092'}
    """
    configuration: dict[str, Any] = {"bootstrap.servers": brokers}
    if settings.kafka_security_protocol == "plaintext":
        return configuration
    configuration["security.protocol"] = settings.kafka_security_protocol
    if settings.kafka_uses_tls:
        is_checked = settings.kafka_ssl_check_hostname
        configuration["ssl.endpoint.identification.algorithm"] = "https" if is_checked else "none"
        given = {
            "ssl.ca.location": settings.kafka_ssl_ca_file,
            "ssl.certificate.location": settings.kafka_ssl_certificate_file,
            "ssl.key.location": settings.kafka_ssl_key_file,
            "ssl.key.password": settings.kafka_ssl_key_password.get_secret_value(),
        }
        configuration |= {name: value for name, value in given.items() if value}
    if settings.kafka_uses_sasl:
        configuration["sasl.mechanism"] = settings.kafka_sasl_mechanism
        configuration["sasl.username"] = settings.kafka_sasl_username
        configuration["sasl.password"] = settings.kafka_sasl_password.get_secret_value()
    return configuration
