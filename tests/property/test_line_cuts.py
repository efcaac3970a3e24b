"""No published value depends on where a burst was cut or in which order topics were read."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import msgspec
import pandas as pd
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from agents.ingestion.captures.captured import CapturedFrame
from models.records.bursts import (
    QuoteBurst,
    TradeBurst,
    Unseen,
    decode_quotes,
    decode_trades,
    encode_burst,
)
from tests.burst_log import (
    KINDS,
    MADE_CAPTURES,
    Log,
    Place,
    append,
    bursts_of,
    captured,
    settings_of,
)
from tests.in_memory import SourceWorker, publish, publish_all, rows_in
from tests.made_bursts import QuoteTick, TradeTick
from tests.oracle import compare, rows_of
from tests.stories import MARKETS, WHOLE, cut, cuts_of, stories

CAPTURES = (
    *MADE_CAPTURES[:2],
    MADE_CAPTURES[3],
    Path("crossbook_kraken_2026/kraken_btcusd_l2.cbcap"),
    Path("flashbook_2026/kraken_live-btc-eth.ndjson"),
)
"""Absolute paths of made ones, and paths within the folder of real ones."""


@pytest.fixture(params=CAPTURES, ids=lambda path: path.name)
def capture(request: pytest.FixtureRequest) -> Path:
    """Return a capture; only a real one needs the folder of real ones."""
    path: Path = request.param
    if path.is_absolute():
        return path
    folder: Path = request.getfixturevalue("test_data")
    return folder / path


@cache
def _frames(path: Path) -> list[CapturedFrame]:
    return captured([path])


@cache
def _log(path: Path) -> Log:
    return append({}, bursts_of(_frames(path), settings_of()))


@cache
def _values(path: Path) -> dict[Place, list[bytes]]:
    return publish_all(_log(path))


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_any_cut_of_a_story_read_in_any_order_publishes_the_same_bytes(data: st.DataObject) -> None:
    story = data.draw(stories())
    expected = publish(cut(story, WHOLE), "kraken", 2)
    log = cut(story, data.draw(cuts_of(story)))
    worker = SourceWorker(log, "kraken", 2)
    event("published" if expected else "nothing published")
    for kind, count, limit in data.draw(
        st.lists(
            st.tuples(st.sampled_from(KINDS), st.integers(1, 5), st.integers(0, 6)), max_size=20
        )
    ):
        worker.read(kind, count)
        worker.close(limit)
    assert worker.finish() == expected


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_any_cut_of_a_story_publishes_is_what_the_oracle_makes_of_it(
    data: st.DataObject,
) -> None:
    """So it is the story that counts, and nothing that all cuts have in common."""
    story = data.draw(stories())
    log = cut(story, data.draw(cuts_of(story)))
    quotes = [moment.item for moment in story if isinstance(moment.item, QuoteTick)]
    told = [moment for moment in story if isinstance(moment.item, Unseen)]
    table = pd.DataFrame(
        [
            (tick.market, tick.time, tick.bid, tick.ask, tick.bid_size, tick.ask_size)
            for tick in quotes
        ],
        columns=["market", "time", "bid", "ask", "bid_size", "ask_size"],
    )
    table = table.assign(
        partition=2,
        crossed=table["bid"] > table["ask"],
        one_sided=table["bid"].isna() | table["ask"].isna(),
    )
    unseen = pd.DataFrame(
        [
            (market, moment.kind, moment.item.start, moment.item.end, moment.item.reason)
            for moment in told
            if isinstance(moment.item, Unseen)
            for market in (MARKETS if moment.item.market == "*" else (moment.item.market,))
        ],
        columns=["market", "kind", "start", "end", "reason"],
    )
    trades = pd.DataFrame(
        [
            (item.market, item.time, item.price, item.side, item.late)
            for item in (moment.item for moment in story)
            if isinstance(item, TradeTick)
        ],
        columns=["market", "time", "price", "side", "late"],
    )
    final = {("kraken", 2): story[-1].clock}
    expected = rows_of(table, unseen, final, trades) if quotes else []
    found = compare(rows_in(publish(log, "kraken", 2)), expected)
    assert not found.differences, str(found)
    event("rows" if found.compared else "no rows")


@pytest.mark.parametrize(
    ("linger", "interval"), [(1, 10), (3, 1_000), (37, 91), (1_000, 250), (1_000, 1_000)]
)
def test_linger_and_interval_change_no_published_byte(
    capture: Path, linger: int, interval: int
) -> None:
    settings_now = settings_of(linger_ms=linger, burst_interval_ms=interval)
    log = append({}, bursts_of(_frames(capture), settings_now))
    assert log != _log(capture), "the cuts were the same"
    assert publish_all(log) == _values(capture)


@pytest.mark.parametrize("seed", range(3))
def test_captured_ticks_grouped_at_random_publish_the_same_bytes(capture: Path, seed: int) -> None:
    chance = random.Random(seed)
    log = {place: _regrouped(place, values, chance) for place, values in _log(capture).items()}
    assert publish_all(log) == _values(capture)


@pytest.mark.parametrize("seed", range(3))
def test_captured_topics_read_in_any_interleaving_publish_the_same_bytes(
    capture: Path, seed: int
) -> None:
    chance = random.Random(seed)
    log = _log(capture)
    for source, expected in _values(capture).items():
        worker = SourceWorker(log, *source)
        left = set(KINDS)
        while left:
            kind = chance.choice(sorted(left))
            if not worker.read(kind, chance.choice((1, 2, 7, 50))):
                left.discard(kind)
            worker.close(chance.choice((0, 1, 3, 100)))
        assert worker.finish() == expected


def test_a_second_replay_writes_the_same_bursts_byte_for_byte(capture: Path) -> None:
    """And something is published of them: the tests above do not compare nothing."""
    again = append({}, bursts_of(captured([capture]), settings_of()))
    assert again == _log(capture)
    assert sum(map(len, _values(capture).values())) > 30


def _regrouped(place: Place, values: list[bytes], chance: random.Random) -> list[bytes]:
    """Split bursts between ticks and join neighbours, keeping the order; add empty ones.

    A part that ends before its burst does carries the clock of the burst before.
    """
    decode = decode_quotes if place[0].endswith("quotes") else decode_trades
    parts: list[QuoteBurst | TradeBurst] = []
    clock: int | None = None
    for value in values:
        burst = decode(value)
        if clock is not None and len(burst) and chance.random() < 0.5:
            where = chance.randint(0, len(burst))
            parts.append(_part(burst, 0, where, clock, []))
            parts.append(_part(burst, where, len(burst), burst.clock, burst.unseen))
        elif parts and chance.random() < 0.3:
            parts.append(_joined(parts.pop(), burst))
        else:
            parts.append(burst)
        clock = burst.clock
        if chance.random() < 0.2:
            parts.append(_part(burst, 0, 0, clock, []))
    return [encode_burst(part) for part in parts]


def _columns(burst: QuoteBurst | TradeBurst) -> dict[str, bytes]:
    fields = msgspec.structs.asdict(burst)
    return {name: part for name, part in fields.items() if isinstance(part, bytes)}


def _part(
    burst: QuoteBurst | TradeBurst, start: int, stop: int, clock: int, unseen: list[Unseen]
) -> QuoteBurst | TradeBurst:
    widths = {name: len(part) // max(len(burst), 1) for name, part in _columns(burst).items()}
    cut_out = {
        name: part[start * widths[name] : stop * widths[name]]
        for name, part in _columns(burst).items()
    }
    return msgspec.structs.replace(burst, clock=clock, unseen=unseen, **cut_out)


def _joined(
    first: QuoteBurst | TradeBurst, second: QuoteBurst | TradeBurst
) -> QuoteBurst | TradeBurst:
    markets = [*first.markets, *second.markets]
    shifted = second.market_codes() + len(first.markets)
    columns = {name: part + _columns(second)[name] for name, part in _columns(first).items()}
    columns["market"] = first.market + shifted.astype("<u2").tobytes()
    unseen = [*first.unseen, *second.unseen]
    return msgspec.structs.replace(
        first, clock=second.clock, markets=markets, unseen=unseen, **columns
    )
