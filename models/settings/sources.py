"""Where frames come from, and the time that ingestion makes of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from models.settings.group import SettingsGroup


class SourceSettings(SettingsGroup):
    """Exchanges, markets, time as ingestion decides it, and the simulator."""

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
