"""The same mean by Faust's own `Table(...).hopping(15, 1)`, on the same ticks.

`python -m benchmarks.stock_faust` is the app's process; `run` measures it. Faust creates its
topics itself here, and takes one tick at a time, as its documentation shows it.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from benchmarks.kafka import WorkerProcess, fresh_topics, produce, running_kafka, wait_until, worker
from benchmarks.load import Load, make_records, make_ticks
from models.records.bursts import decode_quotes
from models.settings import Settings

COINS, PARTITIONS = 100, 8
# So few because it is so dear: some milliseconds a tick.
SIZES = ((1, 200, 10), (100, 2, 10))


def run() -> None:
    """Print CPU per tick; values are not checked here, only that all ticks were taken."""
    print("stock Faust, Table(...).hopping(15, 1), sum and count per market; one process")
    print(f"{'ticks/record':>12} {'ticks':>8} {'µs/tick':>9} {'ticks/core-s':>13}")
    with running_kafka(PARTITIONS) as settings:
        for size in SIZES:
            load = Load(COINS, PARTITIONS, *size, trades_every=0)
            records = make_records(load, make_ticks(load))
            own = fresh_topics(settings, f"stock-{size[0]}")
            with worker([sys.executable, "-m", "benchmarks.stock_faust"], own) as process:
                process.wait_ready()
                before = process.cpu_seconds()
                produce(own, records, pace=False)
                wait_until(lambda own=own, load=load: taken(own) >= load.ticks)
                used = cpu_since(process, before)
            print(
                f"{size[0]:>12} {load.ticks:>8,} {used / load.ticks * 1e6:>9.0f} "
                f"{load.ticks / used:>13,.0f}"
            )


def cpu_since(process: WorkerProcess, before: float) -> float:
    """Return the CPU seconds since `before`."""
    return process.cpu_seconds() - before


def taken(settings: Settings) -> int:
    """Return how many ticks the process says it has taken."""
    path = settings.data_dir / f"{settings.namespace}.taken"
    return int(path.read_text() or 0) if path.exists() else 0


def main() -> None:
    """Run the stock app."""
    import mode.loop

    mode.loop.use("uvloop")
    import faust

    settings = Settings()
    app = faust.App(
        f"{settings.namespace}.stock",
        broker=f"kafka://{settings.kafka_brokers}",
        store="memory://",
        topic_partitions=settings.partitions,
        topic_disable_leader=True,
        broker_commit_interval=0.5,
        producer_linger=0.02,
        producer_max_batch_size=262_144,
        web_port=settings.agent_port,
        web_bind="127.0.0.1",
        datadir=str(settings.data_dir / "stock"),
    )
    os.makedirs(settings.data_dir / "stock", exist_ok=True)  # noqa: PTH103 - Faust does not
    topic = app.topic(
        f"{settings.namespace}.kraken_quotes",
        key_type=bytes,
        value_type=bytes,
        value_serializer="raw",
    )
    means = app.Table("means", default=list, partitions=settings.partitions).hopping(15, 1)
    count = 0

    @app.page("/ready")
    async def ready(page: Any, _request: Any) -> Any:
        settled = bool(app.tables.actives_ready) and not app.rebalancing
        return page.json({}, status=200 if settled else 503)

    @app.agent(topic)
    async def take(stream: Any) -> None:
        nonlocal count
        async for value in stream:
            burst = decode_quotes(value)
            spreads = (np.frombuffer(burst.ask, "<f8") - np.frombuffer(burst.bid, "<f8")).tolist()
            for code, spread in zip(burst.market_codes().tolist(), spreads, strict=True):
                window = means[burst.markets[code]]
                total, n = window.value() or (0.0, 0)
                means[burst.markets[code]] = [total + spread, n + 1]
                count += 1
            path = settings.data_dir / f"{settings.namespace}.taken"
            path.write_text(str(count))

    faust.Worker(
        app, loglevel="WARN", redirect_stdouts=False, quiet=True
    ).execute_from_commandline()


if __name__ == "__main__":
    main()
