"""Every setting of Cointide: declared once, typed, documented, with an environment name.

A field `kafka_brokers` is read from `COINTIDE_KAFKA_BROKERS`. `docs/settings.md` lists them all;
a test fails when one is missing there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ENVIRONMENT_PREFIX = "COINTIDE_"
_TLS_PARTS = ("ca_file", "certificate_file", "key_file", "key_password")


class Settings(BaseSettings):
    """The settings of one process, read from the environment.

    Raises:
        pydantic.ValidationError: a variable holds a value outside its type or bounds.
    """

    # Of an input that is refused nothing is shown: it may hold a secret.
    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    # Where things are
    data_dir: Path = Field(
        Path(".data"), description="Folder that holds everything a local stack writes."
    )
    jars_dir: Path = Field(
        Path(".jars"), description="Folder of the Java parts that `make setup` fetched."
    )
    namespace: str = Field(
        "",
        pattern=r"^[a-zA-Z0-9_-]*$",
        description="Prefix of every topic and consumer group; empty is the live line.",
    )

    # Kafka
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

    # Cassandra
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

    # Time, as ingestion decides it
    exchanges: list[Literal["binance", "coinbase", "kraken"]] = Field(
        ["binance", "coinbase", "kraken"], description="The exchanges that are followed."
    )
    lateness_ms: int = Field(
        200, ge=0, le=10_000, description="How far a source's clock stays behind its newest frame."
    )
    linger_ms: int = Field(
        100, ge=1, le=1_000, description="Longest time a tick waits in a burst before it is sent."
    )
    burst_interval_ms: int = Field(
        250, ge=10, le=1_000, description="Longest time between two bursts of a connected source."
    )
    silence_limit_s: float = Field(
        5.0, gt=0, description="Silence of a connection after which its markets are unseen."
    )
    silence_limit_binance_s: float = Field(
        25.0, gt=0, description="The same on Binance, which sends no heartbeats of its own."
    )

    # Sources
    source: Literal["simulated", "live", "none"] = Field(
        "none",
        description="Where frames come from: the simulator, the exchanges (`live` alone reaches "
        "them), or nowhere.",
    )
    top_coins: int = Field(
        20, ge=1, le=5_000, description="How many coins, by market value, are followed."
    )
    quote_currencies: list[str] = Field(
        ["USD", "USDT", "BTC"], description="Quote currencies whose markets are followed."
    )
    coinbase_websocket_url: str = Field(
        "wss://ws-feed.exchange.coinbase.com", description="Coinbase's websocket."
    )
    coinbase_rest_url: str = Field(
        "https://api.exchange.coinbase.com", description="Coinbase's REST interface."
    )
    kraken_websocket_url: str = Field("wss://ws.kraken.com/v2", description="Kraken's websocket.")
    kraken_rest_url: str = Field("https://api.kraken.com", description="Kraken's REST interface.")
    binance_websocket_url: str = Field(
        "wss://data-stream.binance.vision", description="Binance's websocket, without a path."
    )
    binance_rest_url: str = Field(
        "https://data-api.binance.vision", description="Binance's REST interface."
    )
    coingecko_rest_url: str = Field(
        "https://api.coingecko.com", description="CoinGecko's REST interface, for market values."
    )
    coingecko_key: SecretStr = Field(
        SecretStr(""), description="CoinGecko's demo key; empty sends none."
    )
    markets_refresh_s: float = Field(
        3600.0, gt=0, description="How often the local stack fetches coins and markets again."
    )
    warm_start_hours: float = Field(
        24.0,
        ge=0,
        le=24,
        description="How many hours of one-minute candles ingestion fetches at its start; 0 "
        "fetches none, after an outage neither.",
    )

    # The simulator
    simulator_host: str = Field("127.0.0.1", description="Address the simulator binds to.")
    simulator_port: int = Field(
        0, ge=0, le=65535, description="Port of the simulator; 0 takes a free one and keeps it."
    )
    simulator_seed: int = Field(
        1, ge=0, description="Seed of the simulated market; the same seed gives the same market."
    )
    simulator_coins: int = Field(
        20, ge=2, le=1_000, description="How many coins the simulated market has."
    )
    simulator_rate: float = Field(
        500.0, gt=0, description="Ticks a second of the simulated market, over all of it."
    )

    # The gateway
    gateway_host: str = Field("127.0.0.1", description="Address the gateway binds to.")
    gateway_port: int = Field(
        8000, ge=0, le=65535, description="Port of REST, websocket and page; 0 takes a free one."
    )
    gateway_queue: int = Field(
        1_024,
        ge=16,
        description="Messages a websocket client may be behind before it gets the newest only.",
    )
    gateway_drain_s: float = Field(
        10.0,
        ge=0,
        le=60,
        description="Time websocket clients have to connect elsewhere before a planned stop.",
    )
    gateway_history_reads: int = Field(
        16,
        ge=2,
        le=256,
        description="Reads of history at a time; one key, without a key one address, has half of "
        "them at most.",
    )
    api_keys: list[SecretStr] = Field(
        [], description="Keys of which REST and websocket need one; none lets everyone in."
    )
    rate_limit_per_minute: int = Field(
        1_200,
        ge=0,
        description="REST requests a minute of one key, without a key of one address; "
        "0 is no limit.",
    )
    rate_limit_burst: int = Field(
        200, ge=1, description="Requests that may come at once before that rate holds."
    )
    websocket_limit: int = Field(
        100,
        ge=0,
        description="Websockets at a time of one key, without a key of one address; 0 is no limit.",
    )
    allowed_origins: list[str] = Field(
        [],
        description="Other sites whose pages may use REST and websocket, as "
        "`https://desk.example`; the gateway's own page always may.",
    )

    # Agents
    agent_host: str = Field("127.0.0.1", description="Address an agent's health server binds to.")
    agent_port: int = Field(
        0, ge=0, le=65535, description="Port of an agent's health server; 0 takes a free one."
    )
    instance: str = Field(
        "", description="Stable name of this worker for static group membership; empty is dynamic."
    )
    session_timeout_s: float = Field(
        10.0, ge=1, description="Kafka session time-out: how long a dead worker goes unnoticed."
    )
    fetch_wait_ms: int = Field(
        50, ge=1, le=1_000, description="Longest time a fetch of an agent waits for more data."
    )
    fetch_min_bytes: int = Field(
        1_048_576, ge=1, description="A fetch returns early once this much has gathered."
    )

    # Correlation
    correlation_tables: list[str] = Field(
        [
            "15m.10s.pearson",
            "1h.60s.pearson",
            "24h.5m.pearson",
            "1h.60s.spearman",
            "1h.60s.ewma",
            "1h.1s.hayashi_yoshida",
        ],
        description="The correlation tables, as `window.sampling.method`.",
    )
    correlation_limit_s: float = Field(
        5.0,
        gt=0,
        description="How far a source may stay behind the others before correlation goes on "
        "without it.",
    )
    correlation_many_coins: int = Field(
        50,
        ge=2,
        le=200,
        description="How many coins, by market value, take part in tables other than pearson.",
    )
    reference_currencies: list[str] = Field(
        ["USD", "USDT"],
        min_length=1,
        max_length=100,
        description="Quote currencies of a coin's reference price; the first that has one counts.",
    )

    # The archive
    archive_url: str = Field(
        "",
        description="Where the archive lies: a folder, or `s3://bucket/prefix?endpoint_override=…` "
        "(keys as AWS's own tools take them); empty is `archive` in the data folder.",
    )
    archive_chunk_s: int = Field(
        300,
        ge=1,
        le=3600,
        description="Seconds of Kafka timestamps that one chunk of the archive spans; "
        "divides an hour.",
    )
    archive_idle_s: float = Field(
        60.0,
        gt=0,
        description="How long after its end a chunk is archived that no later record has ended.",
    )

    fault_point: str = Field(
        "",
        pattern=r"^([a-z_]+:[1-9][0-9]*)?$",
        description="For tests: kill this process the n-th time it reaches a point, `point:n`.",
    )

    # The local stack
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
    start_timeout_s: float = Field(
        120.0, gt=0, description="How long the local stack may take to become ready."
    )

    # Logs
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe level that is logged."
    )
    log_format: Literal["json", "console"] = Field(
        "console", description="`json` for a cluster, `console` for people."
    )

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
        tls = [f"kafka_ssl_{each}" for each in _TLS_PARTS]
        self._expect(self.kafka_uses_tls, f"{_variable(protocol)} to be ssl or sasl_ssl", tls, was)
        sasl = ["kafka_sasl_username", "kafka_sasl_password"]
        expected = f"{_variable(protocol)} to be sasl_plaintext or sasl_ssl"
        self._expect(self.kafka_uses_sasl, expected, sasl, was)
        lacking = [_variable(name) for name in sasl if not self._is_given(name)]
        if self.kafka_uses_sasl and lacking:
            raise ValueError(
                f"expected {' and '.join(lacking)} to be set with {_variable(protocol)}={was}, "
                "was empty"
            )
        self._expect_whole("kafka_ssl_")
        return self

    @model_validator(mode="after")
    def _cassandra_fits_together(self) -> Self:
        """Refuse the same of Cassandra, and a data centre without a replica."""
        tls = [f"cassandra_ssl_{each}" for each in _TLS_PARTS]
        self._expect(
            self.cassandra_ssl, f"{_variable('cassandra_ssl')} to be true", tls, self.cassandra_ssl
        )
        self._expect_whole("cassandra_ssl_")
        self._expect_both("cassandra_username", "cassandra_password")
        self._expect_both("cassandra_password", "cassandra_username")
        if self.cassandra_local_datacenter not in self.cassandra_replication:
            raise ValueError(
                f"expected {_variable('cassandra_replication')} to have replicas in "
                f"{_variable('cassandra_local_datacenter')}={self.cassandra_local_datacenter}, "
                f"was {json.dumps(self.cassandra_replication)}"
            )
        return self

    def _expect(self, is_used: bool, expected: str, names: list[str], was: object) -> None:
        given = [_variable(name) for name in names if self._is_given(name)]
        if given and not is_used:
            raise ValueError(f"expected {expected} with {' and '.join(given)}, was {was}")

    def _expect_whole(self, prefix: str) -> None:
        """Refuse a certificate without its key, a key without its certificate, and so on."""
        self._expect_both(f"{prefix}certificate_file", f"{prefix}key_file")
        self._expect_both(f"{prefix}key_file", f"{prefix}certificate_file")
        self._expect_both(f"{prefix}key_password", f"{prefix}key_file")

    def _expect_both(self, name: str, needed: str) -> None:
        if self._is_given(name) and not self._is_given(needed):
            raise ValueError(
                f"expected {_variable(needed)} to be set with {_variable(name)}, was empty"
            )

    def _is_given(self, name: str) -> bool:
        value = getattr(self, name)
        return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _variable(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.upper()


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the variables from which another process reads the same settings.

    >>> environment_of(Settings(partitions=2))["COINTIDE_PARTITIONS"]
    '2'
    """
    values = settings.model_dump(mode="json")
    for name in values:
        secret = getattr(settings, name)
        if isinstance(secret, SecretStr):
            values[name] = secret.get_secret_value()
        elif isinstance(secret, list) and any(isinstance(each, SecretStr) for each in secret):
            values[name] = [each.get_secret_value() for each in secret]
    return {
        _variable(name): value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }
