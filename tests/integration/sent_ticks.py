"""What the simulator's sockets took, held against what the tick topics hold."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from models.partition import partition_of
from models.records.bursts import EVERY_MARKET, QuoteBurst
from models.settings import Settings
from services.simulator.log import LogLine
from tests.integration.followed_bursts import followed_bursts

MARGIN_NS = 1_000_000_000
_PULSE = "binance:BTC-USDT"

Identity = tuple[Any, ...]
Place = tuple[str, str]


class TopicTicks(msgspec.Struct):
    """What topics hold by kind and market: identities, snapshots apart, and what is unseen.

    `began` is the time of the first frame, by kind and source (`exchange|partition`), which is
    later than the first clock by what a tick may be late; times are in nanoseconds since the epoch.
    """

    ticks: dict[Place, list[Identity]]
    unseen: dict[Place, list[tuple[int, int]]]
    began: dict[Place, int]


def sent_ticks(path: Path) -> dict[Place, list[tuple[Identity, int]]]:
    """Return by kind and market what sockets took: identity and time.

    A tick's time is the one it gives, as what is unseen is told in: an exchange that lags sends
    it when a market is served again that was not when it was made. Else it is that of sending.

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
            time = tick.own_time or entry.t
            if tick.kind == "trade":
                identity = (tick.id, *tick.values)
                by_connection["trades", tick.market, entry.connection].append((identity, time))
            elif tick.kind == "quote":
                identity = (tick.own_time, *tick.values)
                by_connection["quotes", tick.market, entry.connection].append((identity, time))
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


def topic_ticks(settings: Settings) -> TopicTicks:
    """Return what the tick topics hold."""
    ticks: dict[Place, list[Identity]] = defaultdict(list)
    unseen: dict[Place, list[tuple[int, int]]] = defaultdict(list)
    began: dict[Place, int] = {}
    for exchange, kind, partition, burst in followed_bursts(settings):
        source = f"{exchange}|{partition}"
        began.setdefault((kind, source), burst.clock + settings.lateness_ms * 1_000_000)
        for row in burst.unseen:
            market = source if row.market == EVERY_MARKET else row.market
            unseen[kind, market].append((row.start, row.end))
        names = [burst.markets[code] for code in burst.market_codes()]
        for name, flags, identity in zip(names, burst.flags, identities(burst), strict=True):
            if not flags & 8:
                ticks[kind, name].append(identity)
    return TopicTicks(ticks, unseen, began)


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


def compare(sent: dict[Place, list[tuple[Identity, int]]], found: TopicTicks, killed: int) -> None:
    """See that nothing came twice or was made up, and that what is missing is declared.

    Of a source nothing is told before its first frame: with two workers that start together the
    first one may follow it without having published. By the kill every source has begun.
    """
    total = missing = 0
    problems: list[str] = []
    for (kind, market), logged in sent.items():
        came = Counter(found.ticks.get((kind, market), []))
        wanted = Counter(identity for identity, _ in logged)
        total += sum(wanted.values())
        for identity, count in (came - wanted).items():
            problems.append(f"{kind} {market}: {count} more than sent of {identity}")
        lost = wanted - came
        exchange, coin = market.partition(":")[0], market[market.index(":") + 1 :].split("-")[0]
        source = f"{exchange}|{partition_of(coin, 4)}"
        intervals = [*found.unseen.get((kind, market), []), *found.unseen.get((kind, source), [])]
        assert found.began[kind, source] < killed, f"{kind} of {source} began after the kill"
        begun = found.began[kind, source]
        if market == _PULSE:
            # It is sent on every connection, so maybe before the market's own one is open.
            begun = min((t for identity, t in logged if identity in came), default=0)
        for identity, t in logged:
            if lost[identity] <= 0:
                continue
            if t < begun:
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
