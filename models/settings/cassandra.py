"""How Cassandra is spoken to, what it keeps, and the Cassandra of the local stack."""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from models.settings.group import TLS_PARTS, SettingsGroup, variable_of


class CassandraSettings(SettingsGroup):
    """Nodes, their security, keyspace and what is kept for how long."""

    cassandra: Literal["on", "off"] = Field(
        "on",
        description="Whether history is kept in Cassandra too; `off` does without it: Parquet and "
        "the log alone.",
    )
    cassandra_contact_points: str = Field(
        "",
        description="Nodes to begin with, `host` or `host:port` with commas between; empty means "
        "the one of the stack in the data folder.",
    )
    cassandra_local_datacenter: str = Field(
        "datacenter1", min_length=1, description="The data centre whose nodes are spoken to."
    )
    cassandra_keyspace: str = Field(
        "cointide",
        pattern=r"^[a-zA-Z][a-zA-Z0-9_]{0,39}$",
        description="Keyspace of the archive; a namespace goes before its name.",
    )
    cassandra_replication: dict[str, Annotated[int, Field(ge=1, le=9)]] = Field(
        {"datacenter1": 1},
        description="Replicas of that keyspace in each data centre, as JSON.",
    )
    cassandra_username: str = Field("", description="The user that Cassandra knows us by.")
    cassandra_password: SecretStr = Field(SecretStr(""), description="That user's password.")
    cassandra_ssl: bool = Field(False, description="Whether Cassandra is spoken to over TLS.")
    cassandra_ssl_ca_file: str = Field(
        "",
        description="PEM file of the authorities that may sign the nodes' certificates; empty "
        "trusts the system's.",
    )
    cassandra_ssl_certificate_file: str = Field(
        "", description="PEM file of this client's certificate, where the nodes ask for one."
    )
    cassandra_ssl_key_file: str = Field("", description="PEM file of that certificate's key.")
    cassandra_ssl_key_password: SecretStr = Field(
        SecretStr(""), description="Password of that key; empty is none."
    )
    cassandra_ssl_check_hostname: bool = Field(
        True, description="Whether a node's certificate must name the address that is connected to."
    )
    cassandra_ttl_days: float = Field(
        30.0,
        ge=0,
        le=7_300,
        description="How long spreads, feeds, returns and matrices are kept there; 0 is for ever.",
    )
    cassandra_bars_ttl_days: float = Field(
        1_825.0,
        ge=0,
        le=7_300,
        description="The same of bars and indicators.",
    )
    cassandra_window_hours: int = Field(
        24, ge=1, description="Hours of spreads, feeds, returns and matrices compacted together."
    )
    cassandra_bars_window_hours: int = Field(
        720, ge=1, description="The same of bars and indicators."
    )
    cassandra_in_flight: int = Field(
        32, ge=1, le=1_024, description="Requests to Cassandra that a process has open at most."
    )
    cassandra_request_timeout_s: float = Field(
        10.0, gt=0, description="How long one request to Cassandra may take."
    )

    # The local stack's
    cassandra_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of the local Cassandra; 0 takes a free one and keeps it.",
    )
    cassandra_storage_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of the local Cassandra for other nodes, of which there are none; 0 takes "
        "a free one and keeps it.",
    )
    cassandra_heap_mb: int = Field(
        512, ge=256, description="Java heap of the local Cassandra in MB."
    )

    @model_validator(mode="after")
    def _cassandra_fits_together(self) -> Self:
        """Refuse the same of Cassandra, and a data centre without a replica."""
        tls = [f"cassandra_ssl_{each}" for each in TLS_PARTS]
        self._expect(
            self.cassandra_ssl,
            f"{variable_of('cassandra_ssl')} to be true",
            tls,
            self.cassandra_ssl,
        )
        self._expect_whole("cassandra_ssl_")
        self._expect_both("cassandra_username", "cassandra_password")
        self._expect_both("cassandra_password", "cassandra_username")
        if self.cassandra_local_datacenter not in self.cassandra_replication:
            raise ValueError(
                f"expected {variable_of('cassandra_replication')} to have replicas in "
                f"{variable_of('cassandra_local_datacenter')}={self.cassandra_local_datacenter}, "
                f"was {json.dumps(self.cassandra_replication)}"
            )
        return self
