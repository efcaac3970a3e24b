"""How Kafka is spoken to, how topics are made, and the Kafka of the local stack."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from models.settings.group import TLS_PARTS, SettingsGroup, variable_of


class KafkaSettings(SettingsGroup):
    """Brokers, their security, topics."""

    kafka_brokers: str = Field(
        "",
        description="Bootstrap servers, `host:port` with commas between; "
        "empty means the broker of the stack in the data folder.",
    )
    kafka_security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext",
        description="How Kafka is spoken to: `ssl` is TLS, `sasl_` with a user and a password.",
    )
    kafka_ssl_ca_file: str = Field(
        "",
        description="PEM file of the authorities that may sign the brokers' certificates; empty "
        "trusts the system's.",
    )
    kafka_ssl_certificate_file: str = Field(
        "", description="PEM file of this client's certificate, where the brokers ask for one."
    )
    kafka_ssl_key_file: str = Field("", description="PEM file of that certificate's key.")
    kafka_ssl_key_password: SecretStr = Field(
        SecretStr(""), description="Password of that key; empty is none."
    )
    kafka_ssl_check_hostname: bool = Field(
        True, description="Whether a broker's certificate must name the host that is connected to."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How the password is shown to the brokers."
    )
    kafka_sasl_username: str = Field("", description="The user that Kafka knows this process by.")
    kafka_sasl_password: SecretStr = Field(SecretStr(""), description="That user's password.")
    partitions: int = Field(
        4, ge=1, le=1024, description="Partitions of every per-coin topic; never changed in place."
    )
    replication: int = Field(1, ge=1, le=7, description="Replicas of every topic that is created.")

    # The local stack's
    kafka_port: int = Field(
        0, ge=0, le=65535, description="Port of the local Kafka; 0 takes a free one and keeps it."
    )
    kafka_controller_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of the local Kafka's controller; 0 takes a free one and keeps it.",
    )
    kafka_heap_mb: int = Field(512, ge=256, description="Java heap of the local Kafka in MB.")

    @property
    def kafka_uses_tls(self) -> bool:
        """Whether what goes to Kafka and back is encrypted."""
        return self.kafka_security_protocol in {"ssl", "sasl_ssl"}

    @property
    def kafka_uses_sasl(self) -> bool:
        """Whether Kafka asks for a user and a password."""
        return self.kafka_security_protocol in {"sasl_plaintext", "sasl_ssl"}

    @model_validator(mode="after")
    def _kafka_security_fits_together(self) -> Self:
        """Refuse what would be ignored in silence, and what cannot be used half."""
        protocol, was = "kafka_security_protocol", self.kafka_security_protocol
        tls = [f"kafka_ssl_{each}" for each in TLS_PARTS]
        self._expect(
            self.kafka_uses_tls, f"{variable_of(protocol)} to be ssl or sasl_ssl", tls, was
        )
        sasl = ["kafka_sasl_username", "kafka_sasl_password"]
        expected = f"{variable_of(protocol)} to be sasl_plaintext or sasl_ssl"
        self._expect(self.kafka_uses_sasl, expected, sasl, was)
        lacking = [variable_of(name) for name in sasl if not self._is_given(name)]
        if self.kafka_uses_sasl and lacking:
            raise ValueError(
                f"expected {' and '.join(lacking)} to be set with {variable_of(protocol)}={was}, "
                "was empty"
            )
        self._expect_whole("kafka_ssl_")
        return self
