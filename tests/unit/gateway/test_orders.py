"""`/v1/orders`: a suggestion from the newest spread and the last hour, and the cheapest way."""

from __future__ import annotations

import pytest

from models.errors import TransportError
from models.records.spreads import Spreads, decode_spreads, encode_spreads
from models.times import iso_seconds, seconds_of
from services.gateway.orders.past import STEP_S, SourcePast, SpreadColumns
from services.gateway.records import spread_record
from tests.unit.gateway.calls import Caller, check_problem, served
from tests.unit.gateway.made import Desk, market, place, spreads

BTC = "kraken:BTC-USD"
ASK = "/v1/orders/suggestion?market=kraken:BTC-USD&side=buy"


def changed(markets: dict[str, tuple[float | None, float | None]]) -> Desk:
    """Return a gateway that knows these markets' bids and asks as of one second."""
    desk = Desk()
    desk.take(*(market(name) for name in markets))
    made = decode_spreads(spreads(0, markets).value)
    mids: list[float | None] = []
    widths: list[float | None] = []
    for bid, ask in markets.values():
        known = bid is not None and ask is not None
        mids.append((bid + ask) / 2 if known else None)  # type: ignore[operator]
        widths.append(2e4 * (ask - bid) / (ask + bid) if known else None)  # type: ignore[operator]
    fields = {name: getattr(made, name) for name in Spreads.__struct_fields__}
    fields |= {
        "bid": [bid for bid, _ in markets.values()],
        "ask": [ask for _, ask in markets.values()],
        "mid": mids,
        "spread_bps": widths,
        "baseline_bps": [6.0] * len(markets),
        "stale": [mid is None for mid in mids],
        "reasons": [{} if mid is not None else {"mid": "gap"} for mid in mids],
    }
    value = encode_spreads(Spreads(**fields))
    desk.take(spread_record(place(0, "spreads"), value))
    return desk


def an_hour(market: str, end: int, filled: bool) -> SourcePast:
    """Return an hour of one market at 99.94 / 100.06, with or without trades through 99.97."""
    past = SourcePast("kraken")
    end -= end % STEP_S
    for as_of in range(end - 3_700, end + 1, STEP_S):
        past.take_spreads(
            SpreadColumns(
                exchange="kraken",
                as_of=iso_seconds(as_of),
                markets=[market],
                bid=[99.94],
                ask=[100.06],
                mid=[100.0],
                baseline_bps=[6.0],
                impact_60s_bps=[8.0],
                realised_60s_n=[2],
                trades_coverage=[1.0],
            )
        )
    if filled:
        for ring in past._rings.values():
            ring.columns["low"][:] = 99.8
    return past


def asked(filled: bool = True) -> Caller:
    desk = changed({BTC: (99.94, 100.06)})
    as_of = seconds_of(desk.gateway.memory.spreads.figures(BTC)["as_of"])  # type: ignore[index]
    desk.gateway.find_past = lambda _market: an_hour(BTC, as_of, filled)
    return served(desk)


def test_a_suggestion_is_that_of_the_reference_with_its_adverse_selection() -> None:
    """Tick 0.1: 100 · (1 − 3 bps) = 99.97 goes down to 99.9, which the bid of 99.94 holds up.

    That is no multiple of 0.1 and the nearest one is 99.9. Adverse selection is half of 8 bps.
    """
    got = asked().get(ASK + "&maker_bps=25&taker_bps=40&chase_bps=10").json()
    assert (got["price"], got["tick_size"]) == (99.9, 0.1)
    assert got["taker_cost_bps"] == pytest.approx(46.0)
    assert got["adverse_selection_bps"] == pytest.approx(4.0)
    assert got["maker_cost_bps"] == pytest.approx(-10.0 + 25.0 + 4.0)
    assert got["saving_bps"] == pytest.approx(46.0 - 19.0)
    assert got["break_even_fill_probability"] == pytest.approx(10 / (46 + 10 - 19))
    assert (got["indicative"], got["stale"], got["reasons"]["fill_rate.miss_drift_bps"]) == (
        True, False, "thin",
    )  # fmt: skip


def test_fees_of_the_venue_count_where_none_are_given() -> None:
    got = asked().get(ASK).json()
    assert (got["maker_bps"], got["taker_bps"]) == (25.0, 40.0)


@pytest.mark.parametrize(("filled", "rate"), [(True, 1.0), (False, 0.0)])
def test_the_fill_rate_says_of_how_many_placements(filled: bool, rate: float) -> None:
    """An hour of placements every five seconds; without trades none is filled."""
    found = asked(filled).get(ASK + "&horizon=60").json()["fill_rate"]
    assert (found["horizon_s"], found["window_s"], found["n"]) == (60, 3_600, 720)
    assert found["coverage"] == 1.0
    assert found["rate"] == rate
    assert found["miss_drift_bps"] == (None if filled else 0.0)
    assert found["low"] <= found["rate"] <= found["high"]


def test_a_market_that_is_not_seen_is_refused_with_the_reason() -> None:
    desk = changed({BTC: (None, None)})
    body = check_problem(served(desk).get(ASK), 409, "stale-market", ASK)
    assert "gap" in body["detail"]


def test_without_a_tick_size_nothing_is_suggested() -> None:
    desk = Desk()
    desk.take(spreads(0))
    check_problem(served(desk).get(ASK), 409, "unknown-tick-size", ASK)


@pytest.mark.parametrize(
    ("query", "status", "kind"),
    [
        ("market=kraken:NO-USD&side=buy", 404, "unknown-market"),
        ("market=nonsense&side=buy", 404, "unknown-market"),
        ("market=kraken:BTC-USD&side=hold", 422, "bad-parameter"),
        ("market=kraken:BTC-USD&side=buy&horizon=7", 422, "bad-horizon"),
        ("market=kraken:BTC-USD&side=buy&horizon=100000", 422, "bad-parameter"),
        ("market=kraken:BTC-USD&side=buy&taker_bps=x", 422, "bad-parameter"),
        ("market=kraken:BTC-USD", 422, "bad-parameter"),
        ("market=kraken:BTC-USD&side=buy&size=1", 422, "unknown-parameter"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(query: str, status: int, kind: str) -> None:
    path = f"/v1/orders/suggestion?{query}"
    check_problem(asked().get(path), status, kind, path)


def test_while_kafka_does_not_answer_the_client_is_asked_to_come_again() -> None:
    desk = changed({BTC: (99.94, 100.06)})

    def away(_market: str) -> SourcePast:
        raise TransportError("expected the last hour, Kafka is away")

    desk.gateway.find_past = away
    got = served(desk).get(ASK)
    check_problem(got, 503, "not-ready", ASK)
    assert got.headers["Retry-After"]


def test_the_way_over_bitcoin_is_best_where_the_direct_market_is_wide() -> None:
    """ALT directly at 1.9 / 2.1; BTC at 100 / 100.1, ALT in BTC at 0.01999 / 0.02001."""
    desk = changed(
        {
            "kraken:ALT-USD": (1.9, 2.1),
            BTC: (100.0, 100.1),
            "kraken:ALT-BTC": (0.01999, 0.02001),
        }
    )
    got = served(desk).get("/v1/orders/route?from=USD&to=ALT&exchange=kraken&taker_bps=10").json()
    first, second = got["routes"]
    assert [leg["market"] for leg in first["legs"]] == [BTC, "kraken:ALT-BTC"]
    assert first["rate"] == pytest.approx(0.999**2 / (100.1 * 0.02001))
    assert second["rate"] == pytest.approx(0.999 / 2.1)
    assert (got["from"], got["to"], got["best"], got["left_out"]) == ("USD", "ALT", 0, {})


def test_a_route_leaves_out_what_is_not_seen_and_names_it() -> None:
    desk = changed({BTC: (None, None), "kraken:ETH-USD": (10.0, 10.1)})
    got = served(desk).get("/v1/orders/route?from=USD&to=BTC").json()
    assert (got["routes"], got["best"]) == ([], None)
    assert got["left_out"] == {BTC: "gap"}
    assert got["reasons"] == {"best": "stale"}


@pytest.mark.parametrize(
    ("query", "status", "kind"),
    [
        ("from=USD&to=USD", 422, "bad-route"),
        ("from=USD&to=NOPE", 404, "unknown-currency"),
        ("from=USD&to=BTC&exchange=nowhere", 422, "unknown-exchange"),
        ("from=USD", 422, "bad-parameter"),
    ],
)
def test_a_route_that_cannot_be_is_refused(query: str, status: int, kind: str) -> None:
    path = f"/v1/orders/route?{query}"
    check_problem(served(changed({BTC: (99.0, 101.0)})).get(path), status, kind, path)
