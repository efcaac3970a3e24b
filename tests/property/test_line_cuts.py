"""No published value depends on where a burst was cut or in which order topics were read."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import msgspec
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
from tests.in_memory import (
    KINDS,
    MADE_CAPTURES,
    WHOLE,
    Log,
    Place,
    SourceWorker,
    append,
    bursts_of,
    captured,
    cut,
    cuts_of,
    publish,
    publish_all,
    settings_of,
    stories,
)

CAPTURES = (
    *MADE_CAPTURES[:2],
    MADE_CAPTURES[3],
    Path("crossbook_kraken_2026/kraken_btcusd_l2.cbcap"),
    Path("flashbook_2026/kraken_live-btc-eth.ndjson"),
)
"""The made ones are absolute paths, so they are no others within the folder of real captures."""

each_capture = pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)


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


@each_capture
@pytest.mark.parametrize(
    ("linger", "interval"), [(1, 10), (3, 1_000), (37, 91), (1_000, 250), (1_000, 1_000)]
)
def test_linger_and_interval_change_no_published_byte(
    test_data: Path, path: Path, linger: int, interval: int
) -> None:
    settings_now = settings_of(linger_ms=linger, burst_interval_ms=interval)
    log = append({}, bursts_of(_frames(test_data / path), settings_now))
    assert log != _log(test_data / path), "the cuts were the same"
    assert publish_all(log) == _values(test_data / path)


@each_capture
@pytest.mark.parametrize("seed", range(3))
def test_captured_ticks_grouped_at_random_publish_the_same_bytes(
    test_data: Path, path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    log = {
        place: _regrouped(place, values, chance) for place, values in _log(test_data / path).items()
    }
    assert publish_all(log) == _values(test_data / path)


@each_capture
@pytest.mark.parametrize("seed", range(3))
def test_captured_topics_read_in_any_interleaving_publish_the_same_bytes(
    test_data: Path, path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    log = _log(test_data / path)
    for source, expected in _values(test_data / path).items():
        worker = SourceWorker(log, *source)
        left = set(KINDS)
        while left:
            kind = chance.choice(sorted(left))
            if not worker.read(kind, chance.choice((1, 2, 7, 50))):
                left.discard(kind)
            worker.close(chance.choice((0, 1, 3, 100)))
        assert worker.finish() == expected


@each_capture
def test_a_second_replay_writes_the_same_bursts_byte_for_byte(test_data: Path, path: Path) -> None:
    """And something is published of them: the tests above do not compare nothing."""
    again = append({}, bursts_of(captured([test_data / path]), settings_of()))
    assert again == _log(test_data / path)
    assert sum(map(len, _values(test_data / path).values())) > 30


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
