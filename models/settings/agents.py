"""What the agents have in common, and what correlation and the archive have of their own."""

from __future__ import annotations

from pydantic import Field

from models.settings.group import SettingsGroup


class AgentSettings(SettingsGroup):
    """Workers in their groups, correlation tables, the archive."""

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
    fault_point: str = Field(
        "",
        pattern=r"^([a-z_]+:[1-9][0-9]*)?$",
        description="For tests: kill this process the n-th time it reaches a point, `point:n`.",
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
