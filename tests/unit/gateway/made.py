"""What the tests of the gateway are made from: records, a clock, a client without a socket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from models.records.bursts import Unseen
from models.records.reasons import Reason
from models.records.reference import Coin, CoinFlag, Feed, Market
from models.records.spreads import SPREADS_VERSION, Spreads, SpreadWindow, encode_spreads
from models.settings import Settings
from models.times import iso_seconds
from services.gateway.gateway import Gateway
from services.gateway.hub.client import Client
from services.gateway.hub.hub import Hub
from services.gateway.items import Format
from services.gateway.kafka.reader import Taken
from services.gateway.records import (
    BurstHead,
    Place,
    Quote,
    QuoteRecord,
    Record,
    ReferenceRecord,
    SpreadRecord,
    Trade,
    TradeRecord,
    spread_record,
)

SECOND = 1_000_000_000
START = 1_772_366_400
BTC = "kraken:BTC-USD"
ETH = "kraken:ETH-USD"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, seconds: float = START) -> None:
        self.seconds = seconds

    def __call__(self) -> int:
        """Return nanoseconds."""
        return int(self.seconds * SECOND)


class Schedule:
    """Planned calls, made when a test says so."""

    def __init__(self) -> None:
        self.planned: list[_Planned] = []

    def __call__(self, delay_s: float, call: Callable[[], None]) -> _Planned:
        """Plan a call."""
        planned = _Planned(delay_s, call)
        self.planned.append(planned)
        return planned

    def run(self) -> None:
        """Make every call that is still planned."""
        planned, self.planned = self.planned, []
        for each in planned:
            if not each.is_cancelled:
                each.call()


class _Planned:
    def __init__(self, delay_s: float, call: Callable[[], None]) -> None:
        self.delay_s = delay_s
        self.call = call
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class FakeOutlet:
    """An outlet that keeps what it is given; `is_full` is set by the test."""

    def __init__(self) -> None:
        self.is_full = False
        self.ended: tuple[int, str] | None = None
        self._frames = bytearray()
        self._free: Callable[[], None] = lambda: None

    def write(self, frames: bytes) -> None:
        """Keep frames."""
        self._frames += frames

    def end(self, code: int, reason: str) -> None:
        """Keep why it was ended."""
        self.ended = code, reason

    def when_free(self, call: Callable[[], None]) -> None:
        """Keep whom to call."""
        self._free = call

    def become_free(self) -> None:
        """Take what comes again."""
        self.is_full = False
        self._free()

    def messages(self) -> list[dict[str, Any]]:
        """Return what came since the last call."""
        data, self._frames = bytes(self._frames), bytearray()
        return [decoded(opcode, payload) for opcode, payload in payloads(data)]


def payloads(data: bytes) -> Iterable[tuple[int, bytes]]:
    """Yield opcode and payload of websocket frames of a server."""
    while data:
        size, begin = data[1], 2
        if size == 126:
            size, begin = int.from_bytes(data[2:4]), 4
        elif size == 127:
            size, begin = int.from_bytes(data[2:10]), 10
        yield data[0] & 0x0F, data[begin : begin + size]
        data = data[begin + size :]


def decoded(opcode: int, payload: bytes) -> dict[str, Any]:
    """Return a message; text is JSON, binary msgpack."""
    decode = msgspec.json.decode if opcode == 1 else msgspec.msgpack.decode
    return decode(payload, type=dict[str, Any])


class Desk:
    """A gateway in memory: records go in, clients come and go."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.clock = Clock()
        self.schedule = Schedule()
        self.settings = settings or Settings(gateway_queue=16)
        self.gateway = Gateway(self.settings, self.clock, self.schedule, ["spreads"])
        self.finish()

    @property
    def hub(self) -> Hub:
        """The gateway's hub."""
        return self.gateway.hub

    def finish(self) -> None:
        """Let everything have been read."""
        self.take(finished=["spreads"])

    def take(self, *records: Record, finished: Iterable[str] = ()) -> None:
        """Take records that were read together."""
        self.gateway.take(Taken(list(records), list(finished), Counter()))

    def client(self, form: Format = "json", join: bool = True) -> tuple[Client, FakeOutlet]:
        """Return a new client and its outlet."""
        outlet = FakeOutlet()
        client = Client(outlet, form, self.settings.gateway_queue, self.hub.tally, self.hub.beside)
        if join:
            self.hub.join(client)
        return client, outlet


def place(offset: int, topic: str = "kraken_quotes", partition: int = 2) -> Place:
    """Return where a record stands."""
    return Place(topic, partition, offset, START * 1000 + offset)


def quote(time: float, bid: float = 100.0, ask: float = 101.0, flags: int = 0) -> Quote:
    """Return a quote; its time is in seconds after START."""
    at = nanoseconds(time)
    return Quote(at, at, bid, 1.0, ask, 2.0, flags)


def nanoseconds(time: float) -> int:
    """Return seconds after START as nanoseconds since the epoch."""
    return START * SECOND + round(time * 1e6) * 1000


def quotes(
    offset: int,
    clock: float,
    quoted: dict[str, Quote] | None = None,
    unseen: Iterable[tuple[str, float, float, Any]] = (),
    epoch: int = 1,
) -> QuoteRecord:
    """Return a burst of quotes; times are in seconds after START."""
    rows = [Unseen(market, nanoseconds(a), nanoseconds(b), why) for market, a, b, why in unseen]
    head = BurstHead("kraken", 2, epoch, nanoseconds(clock), rows)
    return QuoteRecord(place(offset), head, quoted or {})


def trades(offset: int, count: int = 1, market: str = BTC, epoch: int = 1) -> TradeRecord:
    """Return a burst of trades of a market."""
    time = nanoseconds(offset)
    made = [
        Trade(market, row, time, time, 100.0 + row, 1.0, 1, offset * 100 + row, 0)
        for row in range(count)
    ]
    return TradeRecord(
        place(offset, "kraken_trades"), BurstHead("kraken", 2, epoch, time, []), made
    )


def spreads(second: int, markets: Iterable[str] = (BTC,), spread: float = 1.0) -> SpreadRecord:
    """Return a source's second, `second` after START."""
    markets = list(markets)
    n = len(markets)
    value = encode_spreads(
        Spreads(
            version=SPREADS_VERSION,
            exchange="kraken",
            partition=2,
            as_of=iso_seconds(START + second),
            markets=markets,
            bid=[100.0] * n,
            ask=[100.0 + spread] * n,
            mid=[100.0 + spread / 2] * n,
            spread=[spread] * n,
            spread_bps=[99.5] * n,
            windows={
                "15s": SpreadWindow(
                    mean=[spread] * n,
                    mean_bps=[99.5] * n,
                    tick_mean=[None] * n,
                    min=[spread] * n,
                    max=[spread] * n,
                    n=[0] * n,
                    coverage=[1.0] * n,
                    imbalance=[0.5] * n,
                    depth=[300.0] * n,
                    trade_low=[100.0] * n,
                    trade_high=[101.0] * n,
                    trades_n=[2] * n,
                )
            },
            bid_size=[1.0] * n,
            ask_size=[2.0] * n,
            imbalance=[-1 / 3] * n,
            effective_bps=[90.0] * n,
            trades_n=[2] * n,
            trades_coverage=[1.0] * n,
            realised_5s_bps=[50.0] * n,
            realised_5s_n=[2] * n,
            impact_5s_bps=[40.0] * n,
            realised_60s_bps=[30.0] * n,
            realised_60s_n=[2] * n,
            impact_60s_bps=[60.0] * n,
            baseline_bps=[99.0] * n,
            baseline_sigma=[0.2] * n,
            z=[0.1] * n,
            z_n=[180] * n,
            half_life_s=[12.0] * n,
            half_life_n=[179] * n,
            stale=[False] * n,
            reasons=[{"windows.15s.tick_mean": "quiet"}] * n,
        )
    )
    return spread_record(place(second, "spreads"), value)


def last_spreads(second: int, reasons: dict[str, Reason]) -> SpreadRecord:
    """Return the second of a source whose one market has been unseen for a whole window."""
    record = msgspec.json.decode(spreads(second).value)
    record |= {"bid": [None], "stale": [True], "reasons": [reasons]}
    record["windows"]["15s"] |= {"mean": [None], "coverage": [0.0]}
    return spread_record(place(second, "spreads"), msgspec.json.encode(record))


def feed(offset: int, market: str = BTC, as_of: int = 0) -> ReferenceRecord:
    """Return the state of a market's feed."""
    time = iso_seconds(START + as_of)
    record = Feed(
        market=market, exchange="kraken", coin="BTC", status="live", detail=None, since=time,
        as_of=time, last_frame=time, last_price=None, quotes=1, trades=0, late=0, crossed=0,
        gaps=0, trades_lost=0, reconnects=0, clock_skew_ms=None, epoch=1,
    )  # fmt: skip
    return ReferenceRecord(place(offset, "feeds"), market, record)


def coin(
    name: str = "BTC", market_value: float = 1e9, flags: Iterable[CoinFlag] = ()
) -> ReferenceRecord:
    """Return a coin."""
    record = Coin(
        coin=name, id=name.lower(), name=name, rank=1, market_value=market_value, volume_24h=1e6,
        change_24h=0.5, flags=[*flags], source="coingecko", source_time=iso_seconds(START),
    )  # fmt: skip
    return ReferenceRecord(place(0, "coins"), name, record)


def market(name: str = BTC) -> ReferenceRecord:
    """Return an instrument."""
    exchange, _, pair = name.partition(":")
    base, _, currency = pair.partition("-")
    record = Market(
        market=name, exchange=exchange, coin=base, quote_currency=currency, symbol=pair,
        tick_size=0.1, lot_size=None, least_size=None, status="online", source=exchange,
        source_time=None,
    )  # fmt: skip
    return ReferenceRecord(place(0, "markets"), name, record)
