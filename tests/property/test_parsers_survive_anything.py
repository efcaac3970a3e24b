"""Whatever comes in, a parser raises nothing but FrameError, and what it refused left no trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.ingestion.captures.shapes import shape_of
from agents.ingestion.exchanges.memory import ExchangeMemory
from agents.ingestion.exchanges.registry import EXCHANGES, open_connection
from models.errors import FrameError
from tests.unit.ingestion import frames

BIDS, ASKS = [("100.0", "1.50"), ("99.9", "0.02")], [("100.1", "2.00"), ("100.2", "0.30")]
MS = frames.START // 1_000_000

GOOD: dict[str, list[str]] = {
    "coinbase": [
        frames.coinbase_ack(level2_50=["BTC-USD"], matches=["BTC-USD", "ETH-USD"]),
        frames.coinbase_snapshot(BIDS, ASKS),
        frames.coinbase_update([("buy", "100.0", "0"), ("sell", "100.05", "1")], frames.iso(2)),
        frames.coinbase_update([("buy", "99.9", "3")], frames.iso(3)),
        frames.coinbase_ticker("100", "101", frames.iso(1)),
        frames.coinbase_ticker("100", "101", frames.iso(2), product="ETH-USD"),
        frames.coinbase_match(5, frames.iso(2)),
        frames.coinbase_match(9, frames.iso(9)),
        frames.coinbase_match(3, frames.iso(1), kind="last_match"),
        frames.coinbase_heartbeat(frames.iso(3)),
        '{"type":"error","message":"Failed to subscribe","reason":"x"}',
    ],
    "kraken": [
        frames.kraken_ack("book", depth=10),
        frames.kraken_ack("ticker", event_trigger="bbo"),
        frames.kraken_ack("book", end=True),
        frames.kraken_snapshot(BIDS, ASKS),
        frames.kraken_book(
            [("99.9", "0.50")],
            [],
            frames.kraken_checksum([BIDS[0], ("99.9", "0.50")], ASKS),
            frames.iso(2),
        ),
        frames.kraken_book([("99.9", "0.50")], [], 7, frames.iso(2)),
        frames.kraken_ticker("100", "101", frames.iso(1)),
        frames.kraken_ticker("100", "101", frames.iso(1), kind="snapshot", symbol="ETH/USD"),
        frames.kraken_trades((5, frames.iso(2)), (6, frames.iso(9))),
        frames.kraken_trades((4, None), kind="snapshot"),
        '{"channel":"status","data":[{"system":"online"}]}',
        '{"error":"no","method":"subscribe","success":false,"symbol":"BTC/USD"}',
        '{"channel":"heartbeat"}',
    ],
    "binance": [
        frames.combined("bookTicker", frames.binance_ticker(5)),
        json.dumps(frames.binance_ticker(6)),
        frames.combined("trade", frames.binance_trade(5, MS)),
        frames.combined("trade", frames.binance_trade(9, MS + 9_000)),
        frames.combined("aggTrade", frames.binance_aggregate(6, 7, MS + 500)),
        frames.combined("depth@100ms", frames.binance_depth(1, 5, BIDS, ASKS)),
        frames.combined("depth@100ms", frames.binance_depth(6, 9, BIDS, ASKS)),
        frames.binance_rest(4, BIDS, ASKS),
        '{"result":null,"id":1}',
        '{"error":{"code":2,"msg":"x"},"id":1}',
        '{"stream":"!serverShutdown","data":{}}',
    ],
}
REST = '{"lastUpdateId"'

ODD_VALUES: tuple[object, ...] = (
    None,
    True,
    -1,
    0,
    2**63,
    10**400,
    1.5,
    "",
    "0",
    "-1",
    "NaN",
    "1e999",
    "1_0",
    "٣",
    "buy",
    "\u0000",
    frames.iso(59),
    "9999-12-31T23:59:59Z",
    "BTC-USD",
    "A/B",
    [],
    {},
    [[]],
    {"price": 1, "qty": {}},
)
odd_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(ODD_VALUES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value inside a JSON value."""
    keys: list[Any] = []
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    return [here, *(path for key in keys for path in paths(value[key], (*here, key)))]


@st.composite
def mutated(draw: st.DrawFn, good: list[str]) -> str:
    """Return a good frame with one value replaced or removed, or with its text damaged."""
    frame = draw(st.sampled_from(good))
    how = draw(st.sampled_from(["value", "removed", "cut", "inserted", "doubled"]))
    if how in {"value", "removed"}:
        message = json.loads(frame)
        path = draw(st.sampled_from(paths(message)[1:]))
        parent = message
        for key in path[:-1]:
            parent = parent[key]
        if how == "removed":
            del parent[path[-1]]
        else:
            parent[path[-1]] = draw(st.sampled_from(ODD_VALUES) | odd_json)
        return json.dumps(message, ensure_ascii=draw(st.booleans()))
    start = draw(st.integers(0, len(frame)))
    end = draw(st.integers(start, min(start + 8, len(frame))))
    if how == "cut":
        return frame[:start] + frame[end:]
    if how == "inserted":
        return frame[:start] + draw(st.text(max_size=4)) + frame[start:]
    return frame[:end] + frame[start:]


def anything(exchange: str) -> st.SearchStrategy[str]:
    """Return frames good and bad, mostly of the right shape."""
    good = GOOD[exchange]
    noise = st.text() | odd_json.map(json.dumps) | st.binary().map(decoded)
    return st.sampled_from(good) | mutated(good) | mutated(good) | noise


def decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def reader(exchange: str) -> tuple[Callable[[int, str], bytes], ExchangeMemory]:
    """Return a parser whose answers can be compared, missing sides too, and its memory."""
    memory = ExchangeMemory()
    connection = open_connection(exchange, memory)

    def read(receive_time: int, frame: str) -> bytes:
        if frame.startswith(REST):
            return msgspec.json.encode(connection.receive_rest(receive_time, frame, None))
        return msgspec.json.encode(connection.receive(receive_time, frame))

    return read, memory


@pytest.mark.parametrize("exchange", EXCHANGES)
@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_nothing_but_frame_errors_and_refused_frames_leave_no_trace(
    exchange: str, data: st.DataObject
) -> None:
    sequence = data.draw(st.lists(anything(exchange), max_size=12))
    read, memory = reader(exchange)
    answers: list[tuple[int, str, bytes]] = []
    refused: list[FrameError] = []
    for position, frame in enumerate(sequence):
        receive_time = frames.START + position * frames.SECOND
        try:
            answers.append((receive_time, frame, read(receive_time, frame)))
        except FrameError as error:
            refused.append(error)
    assert {error.reason for error in refused} <= {"malformed_frame", "unknown_message"}
    assert all(error.detail.startswith("expected ") for error in refused)
    without_the_refused, other_memory = reader(exchange)
    for receive_time, frame, answer in answers:
        assert without_the_refused(receive_time, frame) == answer
    assert other_memory.counts == memory.counts
    assert other_memory.guessed_symbols == memory.guessed_symbols


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_every_good_frame_is_good(exchange: str) -> None:
    read, _ = reader(exchange)
    for frame in GOOD[exchange]:
        assert read(frames.at(5), frame)
        shape = shape_of(frame)
        assert shape is not None
        assert shape.exchange == exchange


@pytest.mark.parametrize("exchange", EXCHANGES)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_the_shape_of_anything_is_told_or_unknown(exchange: str, data: st.DataObject) -> None:
    shape = shape_of(data.draw(anything(exchange)))
    assert shape is None or (shape.exchange in EXCHANGES and shape.own_time >= 0)
