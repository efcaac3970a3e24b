"""CPU a frame from capture to burst: parsing, clock, bursts; no socket, no Kafka."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

from agents.ingestion.captures.merge import merge_captures
from agents.ingestion.replay import Replay
from models.settings import Settings

_CAPTURES = (
    "hftbacktest_binance_2024/spot_btcusdt_20240808.gz",
    "crossbook_kraken_2026/kraken_btcusd_sample.cbcap",
    "flashbook_2026/coinbase_live-btc-eth.ndjson",
)
_RUNS = 5


def run() -> None:
    """Print the median of five runs for each capture that is there."""
    folder = Path(os.environ.get("COINTIDE_TEST_DATA", "../shared/data"))
    committed = Path(__file__).resolve().parent.parent / "tests" / "captures"
    captures = [folder / name for name in _CAPTURES if (folder / name).exists()]
    captures += sorted(committed.glob("*.jsonl.zst"))
    print(f"{'capture':<36} {'frames':>8} {'µs/frame, median of 5':>22} {'least':>6} {'most':>6}")
    for capture in captures:
        frames = list(merge_captures([capture]))
        costs: list[float] = []
        for _ in range(_RUNS):
            replay = Replay(Settings(), lambda _: {})
            begin = time.process_time()
            for frame in frames:
                replay.step(frame).drain()
            replay.finish()
            costs.append((time.process_time() - begin) / len(frames) * 1e6)
        print(
            f"{capture.name:<36} {len(frames):>8,} {statistics.median(costs):>22.1f} "
            f"{min(costs):>6.1f} {max(costs):>6.1f}"
        )
