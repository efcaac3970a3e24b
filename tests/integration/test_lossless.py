"""No tick is lost or doubled between the exchanges' sockets and the tick topics.

The simulator writes down every tick that a socket took. `make soak` runs this for ten minutes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models.partition import partition_of
from models.records.bursts import EVERY_MARKET, QuoteBurst, decode_quotes, decode_trades
from models.settings import Settings
from services.local.ports import LOOPBACK, choose_port
from services.local.workers import answers_ready
from services.simulator.log import LogLine
from services.simulator.urls import simulated_urls
from tests.integration.line import ROOT, cointide, command, environment, read_topic, tail_of, until

SECONDS = float(os.environ.get("COINTIDE_SOAK_SECONDS", "36"))
RATE = os.environ.get("COINTIDE_SOAK_RATE", "1000")
MARGIN_NS = 1_000_000_000
_PULSE = "binance:BTC-USDT"

Identity = tuple[Any, ...]


class Processes:
    """Processes of one test; all end with it."""

    def __init__(self, settings: Settings) -> None:
        """Nothing runs yet."""
        self.settings = settings
        self.logs = settings.data_dir / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, words: Sequence[str], settings: Settings) -> None:
        """Start `cointide WORDS`."""
        with (self.logs / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command(*words),
                cwd=ROOT,
                env=environment(settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def end(self, name: str, number: signal.Signals) -> None:
        """End one and wait until it is gone."""
        process = self.running.pop(name)
        process.send_signal(number)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def tell(self) -> str:
        """Return the ends of all logs."""
        return "\n".join(tail_of(log) for log in sorted(self.logs.glob("*.log")))

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition."""
        until(condition, what, self.tell)


@contextmanager
def processes(settings: Settings) -> Iterator[Processes]:
    """Run processes; whatever still runs at the end is killed."""
    own = Processes(settings)
    try:
        yield own
    finally:
        for name in list(own.running):
            own.end(name, signal.SIGKILL)


def run_for(end: float, running: Processes) -> None:
    """Let ticks flow until `end`; it is how many of them are compared that this decides."""
    until(lambda: time.monotonic() > end, "the time to pass", running.tell, SECONDS + 60)


def owned(port: int) -> int:
    """Return how many partitions a worker of ingestion owns, 0 where it does not say."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=2) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return 0
    named = [line for line in lines if line.startswith('cointide_partitions{agent="ingestion"}')]
    return int(float(named[0].rpartition(" ")[2])) if named else 0


@pytest.mark.timeout(SECONDS + 300)
def test_every_tick_is_in_the_topics_once_or_declared_unseen(
    namespaced: Settings, create_topics_for: Callable[[Settings], Any]
) -> None:
    """Two workers of ingestion; one is killed after a third of the time and started again."""
    port = choose_port("simulator", 0, None, ())
    settings = namespaced.model_copy(
        update={"simulator_port": port, "session_timeout_s": 6.0, **simulated_urls(port)}
    )
    create_topics_for(settings)
    sent = settings.data_dir / "sent.jsonl"
    ports = [choose_port("worker", 0, None, ()) for _ in range(2)]
    with processes(settings) as running:
        running.start("simulator", ["simulator", "--log", str(sent), "--rate", RATE], settings)
        running.until(lambda: answers_ready(port), "the simulator to be ready")
        assert cointide(settings, "markets", "sync").returncode == 0

        def start_worker(number: int) -> None:
            own = settings.model_copy(update={"agent_port": ports[number]})
            running.start(f"ingestion-{number}", ["agent", "ingestion"], own)

        for number in range(2):
            start_worker(number)
        running.until(lambda: all(owned(each) == 2 for each in ports), "both to own two partitions")
        begin = time.monotonic()
        run_for(begin + SECONDS / 3, running)
        running.end("ingestion-0", signal.SIGKILL)
        running.until(lambda: owned(ports[1]) == 4, "the other to own everything")
        start_worker(0)
        running.until(lambda: all(owned(each) == 2 for each in ports), "both to own two again")
        run_for(begin + SECONDS, running)
        # The sender first, so that what it wrote down can still arrive.
        running.end("simulator", signal.SIGTERM)
        for number in range(2):
            running.end(f"ingestion-{number}", signal.SIGTERM)
    compare(sent_ticks(sent), *topic_ticks(settings))


def sent_ticks(path: Path) -> dict[tuple[str, str], list[tuple[Identity, int]]]:
    """Return by kind and market what sockets took: identity and time of sending.

    A market may be followed on several connections (the pulse on Binance's); a tick counts as
    often as the connection that had it most often.
    """
    by_connection: dict[tuple[str, str, str], list[tuple[Identity, int]]] = defaultdict(list)
    decoder = msgspec.json.Decoder(LogLine)
    for line in path.read_bytes().splitlines():
        entry = decoder.decode(line)
        if not entry.accepted:
            continue
        for tick in entry.ticks:
            if tick.kind == "trade":
                identity = (tick.id, *tick.values)
                by_connection["trades", tick.market, entry.connection].append((identity, entry.t))
            elif tick.kind == "quote":
                identity = (tick.own_time, *tick.values)
                by_connection["quotes", tick.market, entry.connection].append((identity, entry.t))
    most: dict[tuple[str, str], dict[Identity, list[int]]] = defaultdict(dict)
    for (kind, market, _), logged in by_connection.items():
        times: dict[Identity, list[int]] = defaultdict(list)
        for identity, t in logged:
            times[identity].append(t)
        for identity, own in times.items():
            if len(own) > len(most[kind, market].get(identity, [])):
                most[kind, market][identity] = own
    return {
        place: [(identity, t) for identity, times in found.items() for t in times]
        for place, found in most.items()
    }


def topic_ticks(
    settings: Settings,
) -> tuple[dict[tuple[str, str], list[Identity]], dict[tuple[str, str], list[tuple[int, int]]]]:
    """Return by kind and market the identities in the topics (snapshots apart), and the unseen."""
    ticks: dict[tuple[str, str], list[Identity]] = defaultdict(list)
    unseen: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for exchange in settings.exchanges:
        for kind, decode in (("quotes", decode_quotes), ("trades", decode_trades)):
            epochs: dict[int, int] = {}
            for record in read_topic(settings, f"{exchange}_{kind}"):
                burst = decode(record.value)
                if burst.epoch < epochs.get(record.partition, 0):
                    continue
                epochs[record.partition] = burst.epoch
                for row in burst.unseen:
                    market = (
                        f"{exchange}|{record.partition}"
                        if row.market == EVERY_MARKET
                        else row.market
                    )
                    unseen[kind, market].append((row.start, row.end))
                names = [burst.markets[code] for code in burst.market_codes()]
                for name, flags, identity in zip(
                    names, burst.flags, identities(burst), strict=True
                ):
                    if not flags & 8:
                        ticks[kind, name].append(identity)
    return ticks, unseen


def identities(burst: Any) -> list[Identity]:
    """Return what tells a tick from every other one, as the log has it."""
    if isinstance(burst, QuoteBurst):
        columns = [np.frombuffer(burst.own_time, "<i8").tolist()]
        prices = (burst.bid, burst.bid_size, burst.ask, burst.ask_size)
        columns += [np.frombuffer(column, "<f8").tolist() for column in prices]
    else:
        columns = [np.frombuffer(burst.trade_id, "<i8").tolist()]
        columns += [np.frombuffer(c, "<f8").tolist() for c in (burst.price, burst.size)]
        columns.append(np.frombuffer(burst.side, "i1").astype(float).tolist())
    return list(zip(*columns, strict=True))


def compare(
    sent: dict[tuple[str, str], list[tuple[Identity, int]]],
    ticks: dict[tuple[str, str], list[Identity]],
    unseen: dict[tuple[str, str], list[tuple[int, int]]],
) -> None:
    """See that nothing came twice or was made up, and that what is missing is declared."""
    total = missing = 0
    problems: list[str] = []
    for (kind, market), logged in sent.items():
        came = Counter(ticks.get((kind, market), []))
        wanted = Counter(identity for identity, _ in logged)
        total += sum(wanted.values())
        for identity, count in (came - wanted).items():
            problems.append(f"{kind} {market}: {count} more than sent of {identity}")
        lost = wanted - came
        exchange, coin = market.partition(":")[0], market[market.index(":") + 1 :].split("-")[0]
        intervals = [
            *unseen.get((kind, market), []),
            *unseen.get((kind, f"{exchange}|{partition_of(coin, 4)}"), []),
        ]
        # The pulse is sent on every connection, so maybe before the market's own one is open.
        begun = min((t for identity, t in logged if identity in came), default=0)
        for identity, t in logged:
            if lost[identity] <= 0:
                continue
            if market == _PULSE and t < begun:
                lost[identity] -= 1
            elif any(start - MARGIN_NS <= t < end for start, end in intervals):
                lost[identity] -= 1
                missing += 1
        for identity, count in (+lost).items():
            problems.append(f"{kind} {market}: {count} lost and not declared of {identity}")
    assert total > 1_000, "nothing was sent"
    assert missing > 0, "the kill lost nothing: was anything killed?"
    by_market = Counter(problem.split(": ")[0] for problem in problems)
    assert not problems, f"{by_market} of {total} ticks:\n" + "\n".join(problems[:20])
    print(f"{total} ticks sent, {missing} of them not received and declared unseen, 0 lost")
