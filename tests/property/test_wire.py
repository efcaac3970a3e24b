"""What travels: bursts and spreads come back as they were, and damage is told."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import RecordError
from models.records.bursts import (
    QuoteBurst,
    TradeBurst,
    Unseen,
    UnseenReason,
    decode_quotes,
    decode_trades,
    encode_burst,
)
from models.records.reasons import Reason
from models.records.spreads import (
    Spreads,
    SpreadWindow,
    decode_spreads,
    encode_spreads,
)
from models.records.unpacked import unpack
from tests.made_bursts import QuoteTick, TradeTick, quote_burst, trade_burst

INT64 = st.integers(-(2**63), 2**63 - 1)
ANY_FLOAT = st.floats()
NAMES = st.lists(st.text(max_size=6), min_size=1, max_size=4)
REASONS: tuple[UnseenReason, ...] = ("gap", "stale", "down")
UNSEEN = st.lists(st.builds(Unseen, st.text(max_size=6), INT64, INT64, st.sampled_from(REASONS)))
COLUMNS: dict[type, dict[str, tuple[str, st.SearchStrategy[Any]]]] = {
    QuoteBurst: dict.fromkeys(("bid", "bid_size", "ask", "ask_size"), ("<d", ANY_FLOAT)),
    TradeBurst: {
        "price": ("<d", ANY_FLOAT),
        "size": ("<d", ANY_FLOAT),
        "side": ("b", st.integers(-128, 127)),
        "trade_id": ("<q", INT64),
    },
}


@st.composite
def bursts(draw: st.DrawFn, kind: type[QuoteBurst] | type[TradeBurst]) -> QuoteBurst | TradeBurst:
    """Draw a burst of any columns that fit each other."""
    n = draw(st.integers(0, 6))
    markets = draw(NAMES)

    def column(form: str, values: st.SearchStrategy[Any]) -> bytes:
        drawn = draw(st.lists(values, min_size=n, max_size=n))
        return b"".join(struct.pack(form, value) for value in drawn)

    return kind(
        version=1,
        exchange=draw(st.text(max_size=6)),
        partition=draw(st.integers(0, 1023)),
        epoch=draw(st.integers(0, 2**40)),
        clock=draw(INT64),
        markets=markets,
        market=column("<H", st.integers(0, len(markets) - 1)),
        time=column("<q", INT64),
        receive_time=column("<q", INT64),
        own_time=column("<q", INT64),
        flags=column("B", st.integers(0, 255)),
        unseen=draw(UNSEEN),
        **{name: column(*parts) for name, parts in COLUMNS[kind].items()},
    )


def decode(kind: type, value: bytes | None) -> QuoteBurst | TradeBurst:
    """Read a value as a burst of a kind."""
    return decode_quotes(value) if kind is QuoteBurst else decode_trades(value)


def check_columns(burst: QuoteBurst | TradeBurst) -> None:
    """Check what a reader relies on: columns of one length, markets that have a name."""
    codes = struct.unpack(f"<{len(burst)}H", burst.market)
    assert all(code < len(burst.markets) for code in codes)
    assert len(burst.time) == len(burst.receive_time) == len(burst.own_time) == 8 * len(burst)
    for name, (form, _) in COLUMNS[type(burst)].items():
        assert len(getattr(burst, name)) == struct.calcsize(form) * len(burst)


KINDS = pytest.mark.parametrize("kind", [QuoteBurst, TradeBurst])


@KINDS
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_burst_comes_back_as_it_was(
    kind: type[QuoteBurst] | type[TradeBurst], data: st.DataObject
) -> None:
    burst = data.draw(bursts(kind))
    assert msgspec.structs.asdict(decode(kind, encode_burst(burst))) == msgspec.structs.asdict(
        burst
    )


@KINDS
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_truncation_of_a_burst_is_told(
    kind: type[QuoteBurst] | type[TradeBurst], data: st.DataObject
) -> None:
    value = encode_burst(data.draw(bursts(kind)))
    for length in range(len(value)):
        with pytest.raises(RecordError) as told:
            decode(kind, value[:length])
        assert told.value.reason == "undecodable_record"


@KINDS
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_flipped_bits_give_an_error_of_ours_or_a_sound_burst(
    kind: type[QuoteBurst] | type[TradeBurst], data: st.DataObject
) -> None:
    value = bytearray(encode_burst(data.draw(bursts(kind))))
    for place in data.draw(st.lists(st.integers(0, 8 * len(value) - 1), min_size=1, max_size=3)):
        value[place // 8] ^= 1 << place % 8
    with contextlib.suppress(RecordError):
        check_columns(decode(kind, bytes(value)))


@KINDS
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_no_column_may_be_longer_or_shorter_than_the_times_say(
    kind: type[QuoteBurst] | type[TradeBurst], data: st.DataObject
) -> None:
    burst = data.draw(bursts(kind))
    names = ("market", "time", "receive_time", "own_time", "flags", *COLUMNS[kind])
    name = data.draw(st.sampled_from(names))
    column: bytes = getattr(burst, name)
    length = data.draw(st.integers(0, len(column) + 17).filter(lambda n: n != len(column)))
    wrong = msgspec.structs.replace(burst, **{name: column.ljust(length, b"\0")[:length]})
    with pytest.raises(RecordError) as told:
        decode(kind, encode_burst(wrong))
    assert told.value.reason == "undecodable_record"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_told(value: bytes) -> None:
    for kind in (QuoteBurst, TradeBurst):
        with pytest.raises(RecordError):
            decode(kind, value)


@KINDS
def test_a_record_without_a_value_and_a_market_without_a_name_are_told(
    kind: type[QuoteBurst] | type[TradeBurst],
) -> None:
    value = quote_burst(5, [QuoteTick("a", 7, 1.0, 2.0)])
    if kind is TradeBurst:
        value = trade_burst(5, [TradeTick("a", 7)])
    nameless = msgspec.structs.replace(decode(kind, value), markets=[])
    for damaged in (None, encode_burst(nameless)):
        with pytest.raises(RecordError) as told:
            decode(kind, damaged)
        assert told.value.reason == "undecodable_record"


@KINDS
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_another_version_is_told_as_such_whatever_else_is_in_the_record(
    kind: type[QuoteBurst] | type[TradeBurst], data: st.DataObject
) -> None:
    """A version to come may have other fields, and other types in those of today."""
    fields = msgspec.to_builtins(data.draw(bursts(kind)), builtin_types=(bytes,))
    fields["version"] = data.draw(st.integers(-5, 2**40).filter(lambda version: version != 1))
    change = data.draw(st.sampled_from(("nothing", "one field less", "another type")))
    name = data.draw(st.sampled_from(sorted(set(fields) - {"version"})))
    if change == "one field less":
        del fields[name]
    elif change == "another type":
        fields[name] = {"new": 1}
    with pytest.raises(RecordError) as told:
        decode(kind, msgspec.msgpack.encode(fields))
    assert told.value.reason == "unknown_schema_version"


REASON_NAMES: tuple[Reason, ...] = ("thin", "quiet", "gap", "stale", "down", "crossed")
FIGURE = st.none() | st.floats(allow_nan=False, allow_infinity=False)

SPREAD_FIGURES = (
    *("bid_size", "ask_size", "imbalance", "effective_bps", "realised_5s_bps", "impact_5s_bps"),
    *("realised_60s_bps", "impact_60s_bps", "baseline_bps", "baseline_sigma", "z", "half_life_s"),
)
SPREAD_COUNTS = ("trades_n", "realised_5s_n", "realised_60s_n", "z_n", "half_life_n")


@st.composite
def spreads(draw: st.DrawFn) -> Spreads:
    """Draw a record of published spreads."""
    markets = draw(st.lists(st.text(max_size=8), max_size=4))
    n = len(markets)

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=n, max_size=n))

    window = st.builds(
        SpreadWindow,
        **{name: st.just(column(FIGURE)) for name in ("mean", "mean_bps", "tick_mean")},
        min=st.just(column(FIGURE)),
        max=st.just(column(FIGURE)),
        n=st.just(column(st.integers(0, 2**53))),
        coverage=st.just(column(st.floats(0, 1))),
        **{
            name: st.just(column(FIGURE))
            for name in ("imbalance", "depth", "trade_low", "trade_high")
        },
        trades_n=st.just(column(st.integers(0, 2**53))),
    )
    return Spreads(
        version=draw(st.integers(0, 9)),
        exchange=draw(st.text(max_size=8)),
        partition=draw(st.integers(0, 1023)),
        as_of=draw(st.text(max_size=20)),
        markets=markets,
        bid=column(FIGURE),
        ask=column(FIGURE),
        mid=column(FIGURE),
        spread=column(FIGURE),
        spread_bps=column(FIGURE),
        **{name: column(FIGURE) for name in SPREAD_FIGURES},
        **{name: column(st.integers(0, 2**53)) for name in SPREAD_COUNTS},
        trades_coverage=column(st.floats(0, 1)),
        windows=draw(st.dictionaries(st.text(max_size=4), window, max_size=2)),
        stale=column(st.booleans()),
        reasons=column(st.dictionaries(st.text(max_size=8), st.sampled_from(REASON_NAMES))),
    )


@settings(max_examples=100, deadline=None)
@given(spreads())
def test_spreads_come_back_as_they_were(record: Spreads) -> None:
    assert decode_spreads(encode_spreads(record)) == record


@settings(max_examples=60, deadline=None)
@given(spreads())
def test_unpacked_spreads_are_the_columns_market_by_market(record: Spreads) -> None:
    named = msgspec.structs.replace(
        record, markets=[f"kraken:BTC.{i}-USD" for i in range(len(record.markets))]
    )
    objects = list(unpack("spreads", encode_spreads(named)))
    assert [one["coin"] for one in objects] == [f"BTC.{i}" for i in range(len(objects))]
    assert {one["quote_currency"] for one in objects} <= {"USD"}
    names = ("bid", "ask", "mid", "spread", "spread_bps", "stale", "reasons", "trades_coverage")
    for name in (*names, *SPREAD_FIGURES, *SPREAD_COUNTS):
        assert [one[name] for one in objects] == getattr(named, name)
    for label, window in named.windows.items():
        for name, column in msgspec.structs.asdict(window).items():
            assert [one["windows"][label][name] for one in objects] == column
