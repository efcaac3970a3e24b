"""How long a figure takes to a websocket client, by stage, on the whole system.

The simulator renders its frames while it runs, as a process of its own; its CPU is given like
that of every other process. What is measured is a sample of one client that follows everything.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import OFFSET_END, Consumer, TopicPartition
from websockets.sync.client import ClientConnection, connect

from models.records.bursts import decode_quotes, decode_trades
from models.settings import Settings, environment_of
from models.times import iso_seconds
from models.topics import exchange_topics
from services.local.ports import LOOPBACK, choose_port
from services.local.state import brokers_of, read_state
from services.local.workers import answers_ready

RATES = (500.0, 2_000.0, 10_000.0, 13_000.0)
COINS = 100
SETTLE_S, SAMPLE_S = 25.0, 30.0

Samples = dict[str, list[float]]


def run() -> None:
    """Print p50 and p99 by stage, and the CPU of every process, at rising rates."""
    for rate in RATES:
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(
                data_dir=Path(folder),
                jars_dir=Settings().jars_dir.absolute(),
                gateway_port=choose_port("gateway", 0, None, ()),
                simulator_coins=COINS,
                simulator_rate=rate,
                top_coins=COINS,
                # It would still be starting.
                cassandra="off",
            )
            _measure(settings, rate)


def _measure(settings: Settings, rate: float) -> None:
    command = [sys.executable, "-m", "services.cli", "up", "--source", "simulated"]
    environment = {**os.environ, **environment_of(settings)}
    with (settings.data_dir / "up.log").open("wb") as log:
        system = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 120
        while not answers_ready(settings.gateway_port, "/v1/ready"):
            if time.monotonic() > deadline or system.poll() is not None:
                raise RuntimeError((settings.data_dir / "up.log").read_text())
            time.sleep(0.2)
        time.sleep(SETTLE_S)
        before, begin, begun = _cpu(settings), time.monotonic(), time.time_ns()
        samples, shown = _sample(settings)
        took, ended = time.monotonic() - begin, time.time_ns()
        used = {name: cpu - before.get(name, 0.0) for name, cpu in _cpu(settings).items()}
        ticks, unseen = _ticks_between(settings, begun // 1_000_000, ended // 1_000_000)
    finally:
        system.terminate()
        system.wait(60)
    print(
        f"{rate:,.0f} ticks/s asked, {COINS} coins: {ticks / took:,.0f} ticks/s in Kafka, "
        f"{unseen} unseen intervals, {shown / took:,.0f} newest quotes/s on the websocket"
    )
    for stage, values in samples.items():
        p50, p99 = np.percentile(values, (50, 99))
        print(f"  {stage:<44} p50 {p50:>7.0f} ms  p99 {p99:>7.0f} ms  n {len(values):,}")
    print("  CPU: " + ", ".join(f"{n} {c / took:.2f}" for n, c in sorted(used.items())) + " cores")


def _sample(settings: Settings) -> tuple[Samples, int]:
    samples: Samples = defaultdict(list)
    ticks = 0
    consumer = _spreads_from_now(settings)
    with connect(f"ws://{LOOPBACK}:{settings.gateway_port}/v1/stream", max_size=None) as socket:
        for number, channel in enumerate(("quotes", "spreads")):
            request = {"op": "subscribe", "id": number, "channel": channel, "keys": ["*"]}
            socket.send(json.dumps(request))
        end = time.monotonic() + SAMPLE_S
        while time.monotonic() < end:
            ticks += _take(socket, samples)
            for message in consumer.consume(100, 0):
                key = message.key()
                if message.error() is None and key is not None:
                    as_of = int(key.rpartition(b"|")[2]) * 1000
                    samples["end of second → spread in Kafka"].append(
                        message.timestamp()[1] - as_of
                    )
    consumer.close()
    return samples, ticks


def _take(socket: ClientConnection, samples: Samples) -> int:
    try:
        message: dict[str, Any] = json.loads(socket.recv(timeout=1.0))
    except TimeoutError:
        return 0
    now = time.time()
    if message["type"] not in ("batch", "update"):
        return 0
    items = message.get("items") or [message]
    for item in items:
        data = item["data"]
        if message["channel"] == "spreads":
            samples["end of second → spread on the websocket"].append(
                (now - _seconds(data["as_of"])) * 1000
            )
        elif data.get("receive_time"):
            samples["quote received → quote on the websocket"].append(
                (now - _seconds(data["receive_time"])) * 1000
            )
    return len(items) if message["channel"] == "quotes" else 0


def _spreads_from_now(settings: Settings) -> Consumer:
    consumer = Consumer(
        {"bootstrap.servers": brokers_of(settings), "group.id": f"latency-{iso_seconds(0)}"}
    )
    consumer.assign([TopicPartition("spreads", p, OFFSET_END) for p in range(settings.partitions)])
    return consumer


def _ticks_between(settings: Settings, begin: int, end: int) -> tuple[int, int]:
    """Return the ticks and unseen intervals in records produced within `[begin, end)`, in ms."""
    consumer = Consumer({"bootstrap.servers": brokers_of(settings), "group.id": "latency-ticks"})
    wanted = [
        TopicPartition(topic.name, partition, begin)
        for exchange in settings.exchanges
        for topic in exchange_topics(exchange)
        for partition in range(settings.partitions)
    ]
    consumer.assign(consumer.offsets_for_times(wanted, timeout=10.0))
    ticks = unseen = 0
    running = {(each.topic, each.partition) for each in wanted}
    while running:
        for message in consumer.consume(10_000, 5.0):
            topic, partition = message.topic(), message.partition()
            if message.error() is not None or topic is None or partition is None:
                continue
            if message.timestamp()[1] >= end:
                running.discard((topic, partition))
            elif (topic, partition) in running:
                decode = decode_quotes if topic.endswith("_quotes") else decode_trades
                burst = decode(message.value())
                ticks += len(burst)
                unseen += len(burst.unseen)
    consumer.close()
    return ticks, unseen


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _cpu(settings: Settings) -> dict[str, float]:
    """Return the CPU seconds so far of every process of the stack."""
    state = read_state(settings.data_dir)
    used: dict[str, float] = {}
    for name, pid in (state.processes if state else {}).items():
        stat = Path(f"/proc/{pid}/stat")
        if pid and stat.exists():
            fields = stat.read_text().rpartition(")")[2].split()
            used[name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used
