"""Spreads and trades in memory: numbers, repeats, and what can be resumed."""

from __future__ import annotations

from services.gateway.delay import LineDelay
from services.gateway.memory.spreads import HISTORY_S, Spreads
from services.gateway.memory.trades import RING, Trades
from tests.unit.gateway.made import BTC, ETH, START, Clock, spreads, trades


def store() -> Spreads:
    """Return an empty store that is never late."""
    return Spreads(LineDelay(False, Clock()))


def numbers(items: list) -> list[tuple[int, int | None]]:  # type: ignore[type-arg]
    """Return `seq` and `prev_seq` of items, in seconds after START."""
    return [
        (item.seq - START, None if item.prev_seq is None else item.prev_seq - START)
        for item in items
    ]


def test_a_second_is_known_by_its_as_of() -> None:
    """`seq` is `as_of` in seconds, `prev_seq` the market's second before, however long ago."""
    kept = store()
    assert numbers(kept.take(spreads(1, [BTC, ETH]))) == [(1, None), (1, None)]
    assert numbers(kept.take(spreads(2, [BTC]))) == [(2, 1)]
    assert numbers(kept.take(spreads(5, [ETH]))) == [(5, 1)]


def test_repeats_after_a_crash_are_dropped() -> None:
    """What is not above the last second of the source is counted and changes nothing."""
    kept = store()
    for second in (1, 2, 3):
        kept.take(spreads(second))
    assert [kept.take(spreads(second)) for second in (2, 3)] == [[], []]
    assert kept.repeated == 2
    assert numbers(kept.take(spreads(4))) == [(4, 3)]


def test_what_was_missed_follows_in_order() -> None:
    """The seconds after the one given, each with the one before as its `prev_seq`."""
    kept = store()
    for second in (1, 2, 4, 5):
        kept.take(spreads(second, spread=float(second)))
    missed = kept.missed(BTC, START + 2)
    assert missed is not None
    assert numbers(missed) == [(4, 2), (5, 4)]
    assert [item.figures()["spread"] for item in missed] == [4.0, 5.0]
    assert kept.missed(BTC, START + 5) == []
    assert kept.missed(BTC, START) is None
    assert kept.missed("kraken:NO-USD", START + 2) is None


def test_a_market_that_paused_follows_its_last_second() -> None:
    """`prev_seq` is the market's own second before, however many of others lie between."""
    kept = store()
    for second, markets in ((1, [BTC, ETH]), (2, [ETH]), (3, [ETH]), (4, [BTC, ETH])):
        kept.take(spreads(second, markets))
    missed = kept.missed(BTC, START + 3)
    assert missed is not None
    assert numbers(missed) == [(4, 1)]


def test_the_history_reaches_back_a_quarter_of_an_hour() -> None:
    """By the figures' own time, so a replay at any speed has as much."""
    kept = store()
    for second in range(0, HISTORY_S + 60, 20):
        kept.take(spreads(second))
    assert kept.missed(BTC, START + 20) is None
    missed = kept.missed(BTC, START + 40)
    assert missed is not None
    assert numbers(missed)[0] == (60, 40)


def test_all_markets_resume_by_one_as_of() -> None:
    """A list a step; None as soon as one source does not reach back so far."""
    kept = store()
    for second in (1, 2, 3):
        kept.take(spreads(second, [BTC, ETH]))
    steps = kept.all_missed(START + 1)
    assert steps is not None
    assert [[(item.key, item.seq - START) for item in step] for step in steps] == [
        [(BTC, 2), (ETH, 2)],
        [(BTC, 3), (ETH, 3)],
    ]
    assert kept.all_missed(START) is None


def test_a_late_line_is_said_on_the_newest_only() -> None:
    """In live mode figures older than 5 s are stale; those that were missed keep what they had."""
    clock = Clock()
    kept = Spreads(LineDelay(True, clock))
    kept.take(spreads(1))
    kept.take(spreads(2))
    clock.seconds = START + 7
    figures = kept.figures(BTC)
    assert figures is not None
    assert (figures["stale"], figures["reasons"]) == (False, {"windows.15s.tick_mean": "quiet"})
    clock.seconds = START + 7.001
    figures = kept.figures(BTC)
    assert figures is not None
    assert figures["stale"] is True
    assert figures["reasons"] == {"windows.15s.tick_mean": "quiet", "as_of": "line_delayed"}
    assert figures["spread"] == 1.0
    missed = kept.missed(BTC, START + 1)
    assert missed is not None
    assert missed[0].figures()["stale"] is False


def test_every_trade_has_a_number_of_its_own() -> None:
    """Offset · 2¹⁶ + row; what is in the ring can be resumed."""
    kept = Trades()
    kept.take(trades(3, 2))
    items = kept.take(trades(4, 1))
    assert [(item.seq, item.prev_seq) for item in items] == [(4 << 16, (3 << 16) + 1)]
    missed = kept.missed(BTC, 3 << 16)
    assert missed is not None
    assert [item.seq for item in missed] == [(3 << 16) + 1, 4 << 16]
    assert kept.missed(BTC, (3 << 16) - 1) is None


def test_the_ring_of_trades_is_bounded() -> None:
    """The oldest go; then what they followed cannot be resumed."""
    kept = Trades()
    kept.take(trades(1, RING))
    kept.take(trades(2, 1))
    assert kept.missed(BTC, 1 << 16) is None
    assert kept.missed(BTC, (1 << 16) + 1) is not None
    newest = kept.newest(BTC)
    assert newest is not None
    shown = newest.figures()["trades"]
    assert len(shown) == 100
    assert shown[-1]["seq"] == newest.seq == 2 << 16


def test_trades_of_a_former_owner_are_ignored() -> None:
    """As with quotes."""
    kept = Trades()
    kept.take(trades(1, epoch=2))
    assert kept.take(trades(2, epoch=1)) == []
    assert kept.outdated == 1
