"""How Faust's client speaks to Kafka: the settings as its credentials.

The rest of our clients are librdkafka's: `models/kafka_clients.py` has the same for them.
"""

from __future__ import annotations

import ssl

from faust.auth import Credentials, SASLCredentials, SSLCredentials

from models.errors import SettingsError
from models.settings import Settings


def broker_credentials(settings: Settings) -> Credentials | None:
    """Return Faust's `broker_credentials`; None where Kafka takes everyone.

    Raises:
        SettingsError: a file of the settings cannot be used.
    """
    context = _ssl_context(settings) if settings.kafka_uses_tls else None
    if settings.kafka_uses_sasl:
        return SASLCredentials(
            username=settings.kafka_sasl_username,
            password=settings.kafka_sasl_password.get_secret_value(),
            ssl_context=context,
            mechanism=settings.kafka_sasl_mechanism,
        )
    return None if context is None else SSLCredentials(context)


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ssl_ca_file or None)
        if settings.kafka_ssl_certificate_file:
            context.load_cert_chain(
                settings.kafka_ssl_certificate_file,
                settings.kafka_ssl_key_file,
                # Never None: OpenSSL would ask for the password on the terminal.
                settings.kafka_ssl_key_password.get_secret_value(),
            )
    except OSError as error:  # what the ssl module raises too
        raise SettingsError(
            "expected COINTIDE_KAFKA_SSL_CA_FILE, COINTIDE_KAFKA_SSL_CERTIFICATE_FILE and "
            "COINTIDE_KAFKA_SSL_KEY_FILE (with COINTIDE_KAFKA_SSL_KEY_PASSWORD) to name PEM files "
            f"that can be used, but: {error}"
        ) from error
    context.check_hostname = settings.kafka_ssl_check_hostname
    return context
