"""The newest quotes as their bursts say: order, owners, and what cannot be seen."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import RecordError
from models.records.bursts import QuoteBurst, TickFlag, encode_burst
from services.gateway.delay import LineDelay
from services.gateway.memory.quotes import Quotes
from services.gateway.records import Place, QuoteRecord, decode
from tests.unit.gateway.made import BTC, ETH, Clock, quote, quotes


def book() -> Quotes:
    """Return an empty store that is never late."""
    return Quotes(LineDelay(False, Clock()))


def seen(store: Quotes, market: str = BTC) -> tuple[float | None, bool, dict[str, str]]:
    """Return bid, staleness and reasons of a market."""
    figures = store.figures(market)
    assert figures is not None
    return figures["bid"], figures["stale"], figures["reasons"]


def test_the_newest_by_event_time_stays() -> None:
    """A quote of an earlier event time that comes later changes nothing; an equal one does."""
    store = book()
    store.take(quotes(0, 1.0, {BTC: quote(0.9, bid=10)}))
    assert store.take(quotes(1, 1.2, {BTC: quote(0.5, bid=11)})) == ([], [])
    assert seen(store)[0] == 10
    store.take(quotes(2, 1.4, {BTC: quote(0.9, bid=12)}))
    assert seen(store)[0] == 12


def test_an_item_has_the_offset_as_its_number() -> None:
    """`seq` is the burst's offset and `prev_seq` that of the last burst with this market."""
    store = book()
    store.take(quotes(3, 1.0, {BTC: quote(0.9)}))
    store.take(quotes(5, 1.2, {ETH: quote(1.1)}))
    items, _ = store.take(quotes(9, 1.4, {BTC: quote(1.3)}))
    assert [(item.key, item.seq, item.prev_seq) for item in items] == [(BTC, 9, 3)]


def test_a_former_owner_is_ignored() -> None:
    """Bursts below the highest epoch of the topic partition are counted and change nothing."""
    store = book()
    store.take(quotes(0, 1.0, {BTC: quote(0.9, bid=10)}, epoch=5))
    items, sights = store.take(quotes(1, 9.0, {BTC: quote(8.9, bid=11)}, epoch=4))
    assert (items, sights, store.outdated) == ([], [], 1)
    assert seen(store)[0] == 10
    assert store.clock(BTC) == quote(1.0).time


@pytest.mark.parametrize("reason", ["gap", "down"])
def test_gap_and_down_last_until_the_next_quote(reason: str) -> None:
    """The market is stale, with null values and the reason, whatever the clock does."""
    store = book()
    store.take(quotes(0, 1.0, {BTC: quote(0.9)}))
    items, sights = store.take(quotes(1, 2.0, unseen=[(BTC, 1.2, 2.0, reason)]))
    assert [(sight.market, sight.reason) for sight in sights] == [(BTC, reason)]
    assert [item.seq for item in items] == [1]
    assert seen(store) == (
        None,
        True,
        dict.fromkeys(("bid", "bid_size", "ask", "ask_size", "mid"), reason),
    )
    _, sights = store.take(quotes(2, 9.0))
    assert sights == []
    _, sights = store.take(quotes(3, 9.5, {BTC: quote(9.2, bid=7)}))
    assert [sight.reason for sight in sights] == [None]
    assert seen(store) == (7, False, {})


def test_stale_ends_when_a_whole_second_passes_without_a_word() -> None:
    """Pieces are written at whole seconds; between them the market stays as it is."""
    store = book()
    store.take(quotes(0, 1.0, {BTC: quote(0.9, bid=7)}))
    store.take(quotes(1, 2.05, unseen=[(BTC, 1.2, 2.05, "stale")]))
    store.take(quotes(2, 2.8))
    assert store.reason(BTC) == "stale"
    store.take(quotes(3, 3.1, unseen=[(BTC, 2.05, 3.1, "stale")]))
    assert store.reason(BTC) == "stale"
    items, sights = store.take(quotes(4, 4.0))
    assert [sight.reason for sight in sights] == [None]
    assert [item.key for item in items] == [BTC]
    assert seen(store) == (7, False, {})


def test_every_market_of_the_source_goes_out_of_sight() -> None:
    """A `*` row concerns all known markets of the source; each comes back with its own quote."""
    store = book()
    store.take(quotes(0, 1.0, {BTC: quote(0.9), ETH: quote(0.9)}))
    _, sights = store.take(
        quotes(1, 5.0, {BTC: quote(4.5)}, unseen=[("*", 1.0, 4.0, "down")], epoch=2)
    )
    assert [(sight.market, sight.reason) for sight in sights] == [(ETH, "down")]
    assert seen(store)[1] is False


def test_what_a_quote_cannot_say_is_null() -> None:
    """A missing side is `thin`, a crossed quote has no middle."""
    store = book()
    store.take(quotes(0, 1.0, {BTC: quote(0.9, bid=float("nan")), ETH: quote(0.9, bid=102)}))
    assert seen(store) == (None, False, {"bid": "thin", "mid": "thin"})
    assert seen(store, ETH) == (102, False, {"mid": "crossed"})


def test_as_of_is_how_far_the_source_is_complete() -> None:
    """The clock moves on while a market is quiet; a quote ahead of it counts itself."""
    store = book()
    store.take(quotes(0, 1.0, {BTC: quote(1.1)}))
    figures = store.figures(BTC)
    assert figures is not None
    assert (figures["as_of"], figures["time"]) == (
        "2026-03-01T12:00:01.100000Z",
        "2026-03-01T12:00:01.100000Z",
    )
    store.take(quotes(1, 4.0))
    figures = store.figures(BTC)
    assert figures is not None
    assert figures["as_of"] == "2026-03-01T12:00:04Z"


def burst(times: list[int], bids: list[float]) -> bytes:
    """Return a burst whose ticks are of one market."""
    n = len(times)
    column = np.array(bids, "<f8").tobytes()
    when = np.array(times, "<i8").tobytes()
    return encode_burst(
        QuoteBurst(
            version=1, exchange="kraken", partition=2, epoch=1, clock=5, markets=[BTC],
            market=np.zeros(n, "<u2").tobytes(), time=when, receive_time=when, own_time=when,
            flags=bytes([TickFlag.LATE.value] * n), unseen=[], bid=column, bid_size=column,
            ask=column, ask_size=column,
        )
    )  # fmt: skip


def test_a_burst_is_reduced_to_the_last_quote_of_each_market() -> None:
    """The last by event time, of equal times the last that came."""
    at = Place("kraken_quotes", 2, 7, 0)
    record = decode("quotes", at, None, burst([3, 9, 9, 5], [1, 2, 3, 4]))
    assert isinstance(record, QuoteRecord)
    assert {market: (quote.time, quote.bid) for market, quote in record.quotes.items()} == {
        BTC: (9, 3.0)
    }
    empty = decode("quotes", at, None, burst([], []))
    assert isinstance(empty, QuoteRecord)
    assert empty.quotes == {}


@pytest.mark.parametrize("codec", ["quotes", "trades", "spreads", "coins", "markets", "feeds"])
@pytest.mark.parametrize("value", [b"", b"\xff\xfe", b"{}", b"[1]", b'{"as_of": "x"}'])
def test_what_cannot_be_decoded_has_a_reason(codec: str, value: bytes) -> None:
    """Every broken record is the same error, whatever its topic."""
    with pytest.raises(RecordError, match=r"undecodable_record|unknown_schema_version"):
        decode(codec, Place("x", 0, 0, 0), b"key", value)  # type: ignore[arg-type]
