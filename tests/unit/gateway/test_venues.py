"""One coin over the exchanges: the best of them, crossings after fees, who is left out."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fees import FEES
from models.settings import Settings
from services.gateway.records import Quote, QuoteRecord
from services.gateway.venues.crossings import VenueQuote, crossings
from tests.unit.gateway.calls import check_problem, served
from tests.unit.gateway.made import START, Desk, market, nanoseconds, quotes

VENUES = ("binance", "coinbase", "kraken")


def quoted(exchange: str, time: float, bid: float, ask: float, clock: float = 2.0) -> QuoteRecord:
    """Return a burst with one quote of BTC in dollars on an exchange."""
    at = nanoseconds(time)
    record = quotes(0, clock, {f"{exchange}:BTC-USD": Quote(at, at, bid, 0.5, ask, 0.25, 0)})
    place = msgspec.structs.replace(record.place, topic=f"{exchange}_quotes")
    head = msgspec.structs.replace(record.head, exchange=exchange)
    return QuoteRecord(place, head, record.quotes)


def made(source: str = "none") -> Desk:
    """Return a gateway that knows three venues: coinbase is cheap, kraken dear, binance between."""
    desk = Desk(Settings.model_validate({"source": source}))
    desk.take(*(market(f"{exchange}:BTC-USD") for exchange in VENUES))
    desk.take(quoted("coinbase", 1.0, 100.0, 101.0), quoted("kraken", 1.5, 103.0, 104.0))
    desk.take(quoted("binance", 1.75, 101.5, 104.5, clock=3.0))
    return desk


def test_the_best_of_all_venues() -> None:
    """With the markets that have it and their quotes' age; where they cross it is negative."""
    got = served(made()).get("/v1/coins/BTC/venues").json()
    assert (got["coin"], got["quote_currency"], got["stale"]) == ("BTC", "USD", False)
    assert got["best_bid"] == {
        "price": 103.0, "size": 0.5, "markets": ["kraken:BTC-USD"], "age_s": 1.5,
    }  # fmt: skip
    assert got["best_ask"] == {
        "price": 101.0, "size": 0.25, "markets": ["coinbase:BTC-USD"], "age_s": 2.0,
    }  # fmt: skip
    assert got["spread_bps"] == pytest.approx(-1e4 * 2 / 102)
    assert [venue["taker_bps"] for venue in got["venues"]] == [
        FEES[exchange].taker_bps for exchange in VENUES
    ]
    assert got["as_of"] == "2026-03-01T12:00:02Z"
    assert (got["left_out"], got["reasons"]) == ([], {})


def test_crossings_are_gross_and_net_of_both_fees() -> None:
    """Best first; a fee of one's own takes the place of the venues'."""
    client = served(made())
    first, second = client.get("/v1/coins/BTC/venues").json()["crossings"]
    assert (first["buy"], first["sell"], first["size"]) == (
        "coinbase:BTC-USD", "kraken:BTC-USD", 0.25,
    )  # fmt: skip
    assert first["gross_bps"] == pytest.approx(1e4 * (103 / 101 - 1))
    assert first["net_bps"] == pytest.approx(1e4 * (103 * 0.996 / (101 * 1.006) - 1))
    assert second["sell"] == "binance:BTC-USD"
    free = client.get("/v1/coins/BTC/venues?taker_bps=0").json()["crossings"][0]
    assert free["net_bps"] == free["gross_bps"]


def test_who_cannot_be_traded_on_is_left_out_and_named() -> None:
    """Unseen, crossed, one-sided or not yet quoted: in no best price and no crossing."""
    desk = made()
    desk.take(market("kraken:ETH-USD"), market("coinbase:ETH-USD"))
    desk.take(quoted("kraken", 2.5, 105.0, 104.0, clock=3.0))
    desk.take(quoted("binance", 2.5, 100.5, float("nan"), clock=4.0))
    got = served(desk).get("/v1/coins/BTC/venues").json()
    assert got["left_out"] == [
        {"market": "binance:BTC-USD", "reason": "thin"},
        {"market": "kraken:BTC-USD", "reason": "crossed"},
    ]
    assert got["best_bid"]["markets"] == ["coinbase:BTC-USD"]
    assert got["crossings"] == []
    assert [venue["market"] for venue in got["venues"]] == [f"{e}:BTC-USD" for e in VENUES]
    none = served(desk).get("/v1/coins/ETH/venues").json()
    assert (none["best_bid"], none["stale"], none["as_of"]) == (None, True, None)
    assert none["reasons"] == dict.fromkeys(
        ("best_bid", "best_ask", "spread_bps", "as_of"), "warming"
    )
    assert {each["reason"] for each in none["left_out"]} == {"warming"}


def test_a_late_line_is_left_out() -> None:
    """Its last quote must not look like one that can be had."""
    desk = made("live")
    desk.clock.seconds = START + 7.5
    got = served(desk).get("/v1/coins/BTC/venues").json()
    assert got["left_out"] == [
        {"market": "coinbase:BTC-USD", "reason": "line_delayed"},
        {"market": "kraken:BTC-USD", "reason": "line_delayed"},
    ]
    assert got["best_bid"]["age_s"] == 5.75


prices = st.floats(1, 1_000)


@given(
    st.lists(st.tuples(prices, prices, st.floats(0, 100)), max_size=6),
)
def test_crossings_are_what_a_trader_would_keep(found: list[tuple[float, float, float]]) -> None:
    """Of what is paid for one coin with the fee; exactly the pairs whose bid is above the ask."""
    venues = [
        VenueQuote(str(i), min(a, b), 1.0, max(a, b), 1.0, fee)
        for i, (a, b, fee) in enumerate(found)
    ]
    got = crossings(venues)
    assert [each.net_bps for each in got] == sorted((each.net_bps for each in got), reverse=True)
    by_name = {venue.market: venue for venue in venues}
    pairs = {(a.market, b.market) for a in venues for b in venues if b.bid > a.ask}
    assert {(each.buy, each.sell) for each in got} == pairs
    for each in got:
        buy, sell = by_name[each.buy], by_name[each.sell]
        paid = buy.ask + buy.ask * buy.taker_bps * 1e-4
        kept = sell.bid - sell.bid * sell.taker_bps * 1e-4
        assert each.net_bps == pytest.approx((kept - paid) / paid * 1e4, abs=1e-6)


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/v1/coins/NOPE/venues", 404, "unknown-coin"),
        ("/v1/coins/BTC/venues?quote=XXX", 422, "unknown-quote-currency"),
        ("/v1/coins/BTC/venues?taker_bps=-1", 422, "bad-parameter"),
        ("/v1/coins/BTC/venues?maker_bps=1", 422, "unknown-parameter"),
    ],
)
def test_what_is_refused(path: str, status: int, kind: str) -> None:
    """With a problem that says what was expected."""
    check_problem(served(made()).get(path), status, kind, path)
