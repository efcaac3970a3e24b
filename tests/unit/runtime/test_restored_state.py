"""The smallest ways in which a restart could change a figure."""

from __future__ import annotations

from models.records.spreads import decode_spreads
from tests.burst_log import Log
from tests.in_memory import SourceWorker, publish
from tests.made_bursts import SECOND, START, QuoteTick, TradeTick, quote_burst, trade_burst
from tests.stories import MARKETS

USD, EUR, USDT = MARKETS


def _quote(market: str, t: float, bid: float, ask: float) -> QuoteTick:
    return QuoteTick(market, START + int(t * SECOND), bid, ask)


def test_ticks_of_a_closed_second_that_are_read_again_are_not_counted_again() -> None:
    """One burst holds a quote of the closed second and one of the next: it is read twice."""
    log: Log = {
        ("kraken_quotes", 2): [
            quote_burst(
                START + SECOND + SECOND // 5, [_quote(USD, 0.5, 10, 11), _quote(USD, 1.5, 10, 11)]
            ),
            quote_burst(START + 3 * SECOND),
        ],
        ("kraken_trades", 2): [
            trade_burst(START + SECOND + SECOND // 5),
            trade_burst(START + 3 * SECOND),
        ],
    }
    worker = SourceWorker(log, "kraken", 2)
    worker.read("quotes", 1)
    worker.read("trades", 1)
    assert len(worker.close()) == 1
    worker.kill()
    values = worker.finish()
    assert [decode_spreads(value).windows["15s"].n for value in values] == [[1], [2], [2]]
    assert values == publish(log, "kraken", 2)


def test_panes_of_workers_that_met_markets_in_another_order_are_merged_by_name() -> None:
    """A worker taken for dead had read a trade of USDT before the first quotes of EUR and USDT.

    Its late step of second 2 takes the place of its successor's, which met EUR first.
    """
    log: Log = {
        ("kraken_quotes", 2): [
            quote_burst(START + SECOND, [_quote(USD, 0, 10, 11)]),
            quote_burst(START + 2 * SECOND),
            quote_burst(START + 3 * SECOND, [_quote(EUR, 2, 100, 101), _quote(USDT, 2, 100, 105)]),
            quote_burst(START + 6 * SECOND),
        ],
        ("kraken_trades", 2): [
            trade_burst(START + SECOND),
            trade_burst(START + 2 * SECOND),
            trade_burst(START + 3 * SECOND, [TradeTick(USDT, START + 2 * SECOND)]),
            trade_burst(START + 6 * SECOND),
        ],
    }
    zombie = SourceWorker(log, "kraken", 2)
    zombie.read("quotes", 1)
    zombie.read("trades", 1)
    zombie.close()

    worker = SourceWorker(log, "kraken", 2, zombie.changelog)
    for kind in ("quotes", "trades"):
        worker.read(kind, 9)
    assert worker.close(4)[-1].step.markets == [USD, EUR, USDT]

    zombie.read("trades", 2)
    zombie.read("quotes", 1)
    late = zombie.close()
    zombie.read("quotes", 1)
    late += zombie.close()
    assert late[-1].step.markets == [USD, USDT, EUR]

    worker.changelog += [(each.key, each.value) for step in late for each in step.changelog]
    worker.kill()
    worker.finish()
    last = decode_spreads(worker.values()[-1])
    means = dict(zip(last.markets, last.windows["15s"].mean, strict=True))
    assert (last.as_of[-4:], means) == (":06Z", {USD: 1.0, EUR: 1.0, USDT: 5.0})
