"""Captures as bursts in a log in memory, as a replay writes them into Kafka."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.ingestion.captures.captured import CapturedFrame
from agents.ingestion.captures.merge import merge_captures
from agents.ingestion.exchanges.events import Kind
from agents.ingestion.replay import Replay
from agents.ingestion.source_state import Found, OutgoingBurst
from models.records.bursts import decode_quotes, decode_trades
from models.settings import Settings

REAL_CAPTURES = (
    "crossbook_kraken_2026/kraken_btcusd_l2.cbcap",
    "crossbook_kraken_2026/kraken_btcusd_sample.cbcap",
    "crossbook_kraken_2026/kraken_ethusd_sample.cbcap",
    "crossbook_kraken_2026/kraken_xrpusd_sample.cbcap",
    "flashbook_2026/binance_live-btc-eth.ndjson",
    "flashbook_2026/coinbase_live-btc-eth.ndjson",
    "flashbook_2026/kraken_live-btc-eth.ndjson",
    "hftbacktest_binance_2024/spot_btcusdt_20240808.gz",
    "hftbacktest_binance_2024/spot_ethusdt_20240808.gz",
    "live_frames_2026-10/frames.jsonl",
)
"""Within the folder of the fixture `test_data`."""

MADE_CAPTURES = tuple(
    Path(__file__).parent / "captures" / f"{name}.jsonl.zst"
    for name in ("binance", "coinbase", "jump", "kraken")
)

Place = tuple[str, int]
Log = dict[Place, list[bytes]]
"""By topic and partition the values; their places in the list are the offsets."""

KINDS: tuple[Kind, Kind] = ("quotes", "trades")
NOTHING_FOUND = Found(0, {})


def settings_of(**changes: object) -> Settings:
    """Return settings that no environment variable changes in what a test depends on."""
    fixed = {
        "partitions": 8,
        "lateness_ms": 200,
        "linger_ms": 100,
        "burst_interval_ms": 250,
        "silence_limit_s": 5.0,
        "silence_limit_binance_s": 25.0,
    }
    return Settings(**(fixed | changes))  # type: ignore[arg-type]


def captured(paths: Sequence[Path]) -> list[CapturedFrame]:
    """Return the frames of captures in replay order."""
    return list(merge_captures(paths))


def bursts_of(
    frames: Iterable[CapturedFrame], settings: Settings, log: Log | None = None
) -> list[OutgoingBurst]:
    """Return the bursts of a replay; `log` is what the namespace holds already."""
    replay = Replay(settings, lambda exchange: found_in(log or {}, exchange))
    bursts = [burst for frame in frames for burst in replay.step(frame).drain()]
    replay.finish()
    for line in replay.lines.values():
        bursts += line.drain()
    return bursts


def append(log: Log, bursts: Iterable[OutgoingBurst]) -> Log:
    """Write bursts to the end of a log."""
    for burst in bursts:
        log.setdefault((burst.topic, burst.partition), []).append(burst.value)
    return log


def found_in(log: Mapping[Place, Sequence[bytes]], exchange: str) -> dict[int, Found]:
    """Return what a new owner of an exchange finds in the last burst of every partition."""
    found: dict[int, Found] = {}
    for kind in KINDS:
        decode: Any = decode_quotes if kind == "quotes" else decode_trades
        for (topic, partition), values in log.items():
            if topic == f"{exchange}_{kind}" and values:
                last = decode(values[-1])
                before = found.get(partition, NOTHING_FOUND)
                clocks: dict[Kind, int] = {**before.clocks, kind: last.clock}
                found[partition] = Found(max(before.epoch, last.epoch), clocks)
    return found


def sources_in(log: Mapping[Place, Sequence[bytes]]) -> list[Place]:
    """Return the sources (exchange, partition) that have written to a log."""
    return sorted({(topic.partition("_")[0], partition) for topic, partition in log})
