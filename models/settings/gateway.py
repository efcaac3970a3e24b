"""What the gateway lets in, and how much of it."""

from __future__ import annotations

from pydantic import Field, SecretStr

from models.settings.group import SettingsGroup


class GatewaySettings(SettingsGroup):
    """Address, keys and limits of REST and websocket."""

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
