"""Whatever a client sends, the simulator answers or stays silent; it never fails."""

from __future__ import annotations

import itertools
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from services.simulator.exchanges.session import Session
from services.simulator.rest.answer import Answer
from tests.unit.simulator.client import SECOND, small_world, texts_of

_WORLD = small_world()
_MINUTES = itertools.count(1)
_WORDS = st.sampled_from(
    [
        "subscribe", "unsubscribe", "SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "ping",
        "ticker", "book", "trade", "instrument", "matches", "level2", "level2_batch", "heartbeat",
        "BTC-USD", "BTC/USD", "btcusdt@depth", "btcusdt@trade", "bbo",
    ]
)  # fmt: skip
_KEYS = st.sampled_from(
    [
        "type", "method", "params", "channel", "channels", "product_ids", "symbol", "depth",
        "event_trigger", "snapshot", "id", "req_id", "name", "key",
    ]
)  # fmt: skip
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _WORDS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=12,
)
_MESSAGES = st.text() | _VALUES.map(json.dumps) | st.dictionaries(_KEYS, _VALUES).map(json.dumps)
_PATHS = st.sampled_from(
    [
        "products", "products/BTC-USD/candles", "products/BTC-USD/ticker", "products/x", "",
        "0/public/OHLC", "0/public/Depth", "0/public/AssetPairs", "0/public/Ticker",
        "api/v3/depth", "api/v3/klines", "api/v3/exchangeInfo", "api/v3/coins/markets",
    ]
)  # fmt: skip
_QUERY_WORDS = st.sampled_from(
    ["BTCUSDT", "XBTUSD", "1m", "60", "0", "1", "-1", "9" * 30, "inf", "nan", "usd", "[]", ","]
)
_QUERIES = st.dictionaries(
    st.sampled_from(
        [
            "symbol", "symbols", "limit", "interval", "startTime", "endTime", "granularity",
            "start", "end", "pair", "since", "count", "per_page", "page", "vs_currency",
        ]
    ),
    _QUERY_WORDS | st.text(max_size=8),
    max_size=4,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(_WORLD.feeds)), st.lists(_MESSAGES, min_size=1, max_size=4))
def test_any_message(exchange: str, messages: list[str]) -> None:
    feed, session = _WORLD.feeds[exchange], Session(exchange, "client", _WORLD.now)
    feed.open(session, "stream", "")
    for message in messages:
        feed.receive(session, message, _WORLD.now)
    for text in texts_of(session.outgoing):
        assert isinstance(json.loads(text), dict)
    feed.close(session)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(_WORLD.rest)), _PATHS, _QUERIES)
def test_any_request(exchange: str, path: str, query: dict[str, str]) -> None:
    # A minute each, so that no limit refuses it before it is read.
    found = _WORLD.rest[exchange].answer(path, query, _WORLD.now + next(_MINUTES) * 60 * SECOND)
    assert found.status != 429
    assert isinstance(found, Answer)
    assert json.loads(found.body) is not None
