"""Feed counters by second, their totals over restarts, and the state of a feed."""

from __future__ import annotations

import numpy as np

from agents.ingestion.counters import SourceCounters
from agents.ingestion.exchanges.events import Quote, Trade
from agents.ingestion.feeds import FeedFacts, feed_record, feed_status
from agents.ingestion.source_state import SourceState
from models.records.reference import Market

S = 1_000_000_000
BTC = "kraken:BTC-USD"


def source(clock: int) -> SourceState:
    """Return a fresh source whose clock stands at whole seconds."""
    state = SourceState("kraken", 2, None, 1)
    state.advance(clock * S)
    return state


def quote(time: float, bid: float = 99.0, ask: float = 101.0, flags: int = 0) -> Quote:
    """Return a quote."""
    return Quote(BTC, int(time * S), 0, bid, 1.0, ask, 1.0, flags)


def trade(time: float, number: int) -> Trade:
    """Return a trade at 100.5."""
    return Trade(BTC, int(time * S), 0, 100.5, 1.0, 1, number, 0)


def test_a_pane_holds_the_seconds_own_counts_and_totals_go_on_after_a_restart() -> None:
    """Three quotes, one of them late, then two trades; a new worker adds one quote."""
    counters, state = SourceCounters("kraken", []), source(10)
    for time in (10.1, 10.2, 9.0):
        state.add("quotes", quote(time), int(time * S), state.clock)
    state.advance(11 * S)
    first = counters.close_second(state)
    assert first is not None
    assert first[2].index == 10
    for number in (1, 2):
        state.add("trades", trade(11.5, number), 11 * S, state.clock)
    assert counters.close_second(state) is None, "the same second is counted once"
    state.advance(12 * S)
    second = counters.close_second(state)
    assert second is not None
    panes = {name: np.frombuffer(column, "<f8").tolist() for name, column in second[2].pane.items()}
    assert panes["quotes"] == [0.0]
    assert panes["trades"] == [2.0]
    assert np.frombuffer(first[2].pane["late"], "<f8").tolist() == [1.0]

    resumed, fresh = SourceCounters("kraken", [first[2], second[2]]), source(12)
    fresh.add("quotes", quote(12.5), 12 * S, fresh.clock)
    totals = resumed.total_of(BTC, fresh.counts[BTC])
    assert (totals["quotes"], totals["trades"], totals["late"]) == (4, 2, 1)


def test_a_feed_connects_lives_grows_quiet_and_tells_why_it_is_unseen() -> None:
    """Quiet after a minute without a tick; an open interval goes before everything."""
    state = source(100)
    assert feed_status(state, BTC, 100 * S) == "connecting"
    state.add("quotes", quote(100.5), 100 * S, state.clock)
    assert feed_status(state, BTC, 101 * S) == "live"
    assert feed_status(state, BTC, 161 * S) == "quiet"
    state.begin_interval(("quotes", BTC), 101 * S, "gap")
    assert feed_status(state, BTC, 101 * S) == "gap"
    state.add("quotes", quote(102), 102 * S, state.clock)
    assert feed_status(state, BTC, 102 * S) == "live"


def test_a_record_shows_a_trades_price_before_a_middle() -> None:
    """99 and 101 make 100 until a trade at 100.5."""
    market = Market(
        market=BTC,
        exchange="kraken",
        coin="BTC",
        quote_currency="USD",
        symbol="BTC/USD",
        tick_size=0.1,
        lot_size=None,
        least_size=None,
        status="online",
        source="kraken",
        source_time=None,
    )
    state = source(100)
    state.add("quotes", quote(100.5), 100 * S, state.clock)
    totals = SourceCounters("kraken", []).total_of(BTC, state.counts[BTC])
    facts = FeedFacts("live", 100 * S, 101 * S, 3, 50_000_000, 7, totals)
    record = feed_record(market, state.counts[BTC], facts)
    assert (record.last_price, record.clock_skew_ms, record.quotes) == (100.0, 50.0, 1)
    assert record.last_frame == "1970-01-01T00:01:40Z"
    state.add("trades", trade(101, 1), 101 * S, state.clock)
    assert feed_record(market, state.counts[BTC], facts).last_price == 100.5
