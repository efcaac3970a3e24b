"""The oracle's ticks, clocks and unseen intervals against sequences worked out by hand.

All times are seconds after `BASE`. The lateness is 0.2 s, the silence limit 5 s (Binance 25 s).
"""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pandas as pd
import pytest
import zstandard

from tests.oracle import Ticks, ticks_of_frames
from tests.oracle.frames import Frame, merged, read_frames, with_ends
from tests.oracle.wire import SECOND

if TYPE_CHECKING:
    from pathlib import Path

BASE = 1_700_000_000
BTC, ETH = "BTC-USD", "ETH-USD"  # partitions 2 and 1 of 8


def at(seconds: float) -> int:
    """Return nanoseconds since the epoch of `seconds` after BASE, exact to a microsecond."""
    return BASE * SECOND + round(seconds * 1e6) * 1000


def iso(seconds: float) -> str:
    """Return the same as the exchanges write it."""
    whole, micros = divmod(round(seconds * 1e6), 1_000_000)
    text = datetime.fromtimestamp(BASE + whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{micros:06d}Z"


def frame(exchange: str, t: float, message: Any, c: str = "", kind: str = "frame") -> Frame:
    """Return a frame received at `t`; a message that is text stays as it is."""
    text = message if isinstance(message, str) else json.dumps(message)
    return Frame(at(t), exchange, text, (0, exchange, c), kind)


def play(frames: list[Frame]) -> Ticks:
    """Return the ticks of a replay of one file with these frames."""
    return ticks_of_frames(with_ends(frames))


def ticker(t: float, own: float, bid: float, ask: float, product: str = BTC, c: str = "") -> Frame:
    """Return a Coinbase ticker."""
    message = {"type": "ticker", "product_id": product, "time": iso(own)}
    message |= {"best_bid": f"{bid:.2f}", "best_bid_size": "1", "best_ask_size": "1"}
    return frame("coinbase", t, message | {"best_ask": f"{ask:.2f}"}, c)


def beat(t: float, own: float, c: str = "") -> Frame:
    """Return a Coinbase heartbeat."""
    message = {"type": "heartbeat", "product_id": BTC, "last_trade_id": 1, "time": iso(own)}
    return frame("coinbase", t, message, c)


def match(t: float, own: float, number: int, kind: str = "match", c: str = "") -> Frame:
    """Return a Coinbase match whose maker bought."""
    message = {"type": kind, "product_id": BTC, "trade_id": number, "side": "buy"}
    return frame("coinbase", t, message | {"price": "100", "size": "1", "time": iso(own)}, c)


def seconds(table: pd.DataFrame, column: str) -> list[float]:
    """Return a column of times as seconds after BASE; open ends as infinity."""
    values = table[column].tolist()
    return [
        float("inf") if value == 2**63 - 1 else round((value - BASE * SECOND) / 1e9, 6)
        for value in values
    ]


def unseen(ticks: Ticks, kind: str = "quotes") -> list[tuple[str, float, float, str]]:
    """Return the unseen intervals as (coin, start, end, reason), without the close at the end."""
    table = ticks.unseen[ticks.unseen["kind"] == kind]
    coins = [market.split(":")[1].split("-")[0] for market in table["market"]]
    bounds = seconds(table, "start"), seconds(table, "end"), table["reason"].tolist()
    return list(zip(coins, *bounds, strict=True))


def final(ticks: Ticks, exchange: str = "coinbase", partition: int = 2) -> float:
    """Return where the clock of a source ends, in seconds after BASE."""
    return ticks.final[exchange, partition] / SECOND - BASE


def test_the_first_ticker_of_a_product_is_a_snapshot_at_receive_less_skew() -> None:
    """A heartbeat 0.1 s old sets s = 0.1; the first ticker's own time (5 s old) is ignored."""
    ticks = play([beat(1, 0.9), ticker(2, -3, 1, 2), ticker(3, 2.7, 1, 2)])
    assert seconds(ticks.quotes, "time") == [1.9, 2.7]
    assert ticks.quotes["snapshot"].tolist() == [True, False]


def test_skew_is_the_least_of_the_last_300_seconds() -> None:
    """0.1 s from second 1 counts until just before 301; then the 0.3 s of second 100."""
    late = [beat(second, second - 0.5) for second in (299, 300)]
    frames = [beat(1, 0.9), beat(100, 99.7), *late, ticker(300.5, 0, 1, 2, ETH)]
    frames += [beat(301, 300.5), ticker(301.5, 0, 1, 2, "SOL-USD")]
    ticks = play(frames)
    assert seconds(ticks.quotes, "time") == [300.4, 301.2]


def test_with_no_time_in_the_window_the_newest_one_before_counts() -> None:
    """0.1 s at second 1, 0.4 s at second 2, nothing since: 0.4 s at 400."""
    ticks = play([beat(1, 0.9), beat(2, 1.6), ticker(400, 0, 1, 2)])
    assert seconds(ticks.quotes, "own_time") == [399.6]


def test_a_time_more_than_2_s_ahead_is_clamped_and_does_not_enter_the_skew() -> None:
    """The second ticker says 10 s ahead: it stands at receive + 2 s, and s stays 0.1."""
    frames = [ticker(1, 0.9, 1, 2), beat(1, 0.9), ticker(2, 12, 1, 3), ticker(4, 0, 1, 4, ETH)]
    ticks = play(frames)
    assert seconds(ticks.quotes, "time") == [1.0, 4.0, 3.9]
    assert ticks.quotes["clamped"].tolist() == [False, True, False]


def test_a_tick_below_the_clock_is_late_and_takes_the_clock_as_its_time() -> None:
    """N = 5 puts the clock at 4.8: a quote of 4.5 becomes one of 4.8, one of 4.9 keeps its time."""
    frames = [
        ticker(1, 1, 1, 2),
        ticker(5, 5, 1, 2),
        ticker(5.1, 4.5, 1, 3),
        ticker(5.2, 4.9, 1, 4),
    ]
    ticks = play(frames)
    assert seconds(ticks.quotes, "time") == [1, 5, 4.8, 4.9]
    assert seconds(ticks.quotes, "own_time") == [1, 5, 4.5, 4.9]
    assert ticks.quotes["late"].tolist() == [False, False, True, False]


def test_a_source_named_first_takes_the_connection_s_clock_before_the_frame() -> None:
    """BTC moved N to 5; ETH's first frames: a match of 4.5 is late at 4.8."""
    frames = [ticker(1, 1, 1, 2), ticker(5, 5, 1, 2)]
    frames += [frame("coinbase", 5.1, match(5.1, 4.5, 7).text.replace(BTC, ETH))]
    ticks = play(frames)
    assert seconds(ticks.trades, "time") == [4.8]


def test_nothing_is_late_in_the_first_frame_of_a_connection() -> None:
    """Without an N there is no clock to be late against."""
    ticks = play([match(5, -90, 7)])
    assert seconds(ticks.trades, "time") == [-90]
    assert ticks.trades["late"].tolist() == [False]


def test_silence_is_stale_from_the_newest_frame_time_to_that_of_the_next_frame() -> None:
    """With s = 0.1: last frame at 2 (T 1.9), next at 9 (T 8.8): [1.9, 8.8). The clock went on."""
    frames = [ticker(1, 0.9, 1, 2), beat(2, 1.9), beat(9, 8.8)]
    ticks = play(frames)
    assert unseen(ticks) == [("BTC", 1.9, 8.8, "stale"), ("BTC", 8.8, float("inf"), "down")]
    moves = dict(zip(seconds(ticks.clocks, "receive"), seconds(ticks.clocks, "clock"), strict=True))
    assert moves[2] == 1.7
    assert moves[7] == pytest.approx(7 - 0.1 - 0.2)  # at the limit
    assert moves[9] == pytest.approx(9 - 0.1 - 0.2)  # before the frame; its T is below it


def test_a_stale_interval_never_ends_below_the_clock() -> None:
    """The next frame is 3 s old (T 6.0), but the clock has reached 9 − 0.1 − 0.2 = 8.7."""
    frames = [ticker(1, 0.9, 1, 2), beat(2, 1.9), ticker(9, 6, 1, 3)]
    ticks = play(frames)
    assert unseen(ticks)[0] == ("BTC", 1.9, 8.7, "stale")
    assert seconds(ticks.quotes, "time")[1] == 8.7


def test_frames_without_a_time_or_without_meaning_keep_a_connection_alive() -> None:
    """Malformed and unknown frames count with t − s and are told."""
    frames = [ticker(1, 0.9, 1, 2), beat(2, 1.9), frame("coinbase", 6, "{"), beat(8, 7.9)]
    frames += [frame("coinbase", 8.5, {"type": "auction", "time": iso(99)}), beat(9, 8.9)]
    ticks = play(frames)
    assert [reason for *_, reason in unseen(ticks)] == ["down"]
    assert dict(ticks.problems) == {
        ("coinbase", "malformed_frame"): 1,
        ("coinbase", "unknown_message"): 1,
    }


def test_a_closed_connection_is_down_until_the_next_quote_or_serving_frame() -> None:
    """Closed at 3 (N 2): trades until the match of 6.5, quotes until the ticker of 7."""
    frames = [ticker(1, 1, 1, 2, c="a"), match(2, 2, 1, c="a")]
    frames += [frame("coinbase", 3, "", "a", "close"), frame("coinbase", 5, "", "b", "open")]
    frames += [match(6.5, 6.5, 9, c="b"), ticker(7, 0, 1, 2, c="b")]
    ticks = play(frames)
    assert unseen(ticks)[0] == ("BTC", 2, 7, "down")
    assert unseen(ticks, "trades")[0] == ("BTC", 2, 6.5, "down")  # 2 to 8 are no gap: a new start


def test_a_source_that_no_connection_serves_moves_on_with_receive_time() -> None:
    """Closed at 3, s = 0: at 6.5 the clock is 6.3, so a trade of 6.1 is late."""
    frames = [match(2, 2, 1, c="a"), frame("coinbase", 3, "", "a", "close")]
    ticks = play([*frames, match(6.5, 6.1, 9, c="b")])
    assert seconds(ticks.trades, "time") == [2, 6.3]
    assert ticks.trades["late"].tolist() == [False, True]


def test_a_stale_interval_becomes_down_where_the_connection_closes() -> None:
    """Silent since 2, closed at 9 with s = 0.1: stale [1.9, 8.9), down from 8.9."""
    frames = [ticker(1, 0.9, 1, 2, c="a"), beat(2, 1.9, c="a")]
    frames += [frame("coinbase", 9, "", "a", "close"), ticker(10, 0, 1, 3, c="b")]
    ticks = play(frames)
    assert unseen(ticks)[:2] == [("BTC", 1.9, 8.9, "stale"), ("BTC", 8.9, 9.9, "down")]


def test_the_clock_is_the_least_over_the_connections_that_serve_the_source() -> None:
    """Connection b stands at 3, a at 5: a quote of 2.9 on b is not late, one of 2.7 is."""
    frames = [ticker(1, 1, 1, 2, c="a"), ticker(1, 1, 1, 2, c="b"), ticker(3, 3, 1, 2, c="b")]
    frames += [beat(5, 5, c="a"), ticker(5.1, 2.9, 1, 2, c="b"), ticker(5.2, 2.7, 1, 2, c="b")]
    ticks = play(frames)
    assert ticks.quotes["late"].tolist() == [False, False, False, False, True]
    assert seconds(ticks.quotes, "time")[-1] == 2.8


def test_a_pair_that_another_connection_serves_is_neither_stale_nor_down() -> None:
    """One falls silent and closes while the other goes on: nothing is unseen until the end."""
    frames = [ticker(1, 1, 1, 2, c="a"), ticker(1, 1, 1, 2, c="b")]
    frames += [beat(second, second, c="b") for second in range(2, 11)]
    frames += [frame("coinbase", 10.5, "", "a", "close"), beat(11, 11, c="b")]
    assert unseen(play(frames)) == [("BTC", 11, float("inf"), "down")]


def test_a_replay_ends_on_the_whole_second_above_clock_ticks_and_frame_times() -> None:
    """A clamped quote at 4.0 stands above all else: 5; else N = 2.0 exactly gives 3."""
    assert final(play([ticker(1, 1, 1, 2), ticker(2, 9, 1, 2)])) == 5
    assert final(play([ticker(1, 1, 1, 2), beat(2, 2)])) == 3


def test_coinbase_names_the_maker_and_last_match_only_sets_the_last_id() -> None:
    """The maker bought, so the taker sold; ids 5 (seen) and 7 (after a gap) follow."""
    frames = [match(1, 1, 5, "last_match"), match(2, 2, 5), match(3, 3, 6), match(4, 4, 8)]
    ticks = play(frames)
    assert ticks.trades["id"].tolist() == [6, 8]
    assert ticks.trades["side"].tolist() == [-1, -1]
    assert unseen(ticks, "trades")[0] == ("BTC", 2.8, 4, "gap")


def test_coinbase_level2_outranks_the_ticker_and_quotes_only_changes_of_the_best() -> None:
    """After the book's snapshot the ticker gives no quotes; a deeper change gives none either."""
    book = {"type": "snapshot", "product_id": BTC, "bids": [["99", "1"]], "asks": [["101", "1"]]}
    update = {"type": "l2update", "product_id": BTC}
    frames = [ticker(1, 1, 1, 2), frame("coinbase", 2, book), ticker(2.5, 2.5, 1, 2)]
    changes = [["buy", "98", "1"]], [["sell", "100", "2"]], [["buy", "99", "0"], ["buy", "98", "0"]]
    for second, change in enumerate(changes, 3):
        frames.append(frame("coinbase", second, update | {"changes": change, "time": iso(second)}))
    quotes = play(frames).quotes
    assert seconds(quotes, "time") == [1, 2, 4, 5]
    assert quotes["ask"].tolist() == [2, 101, 100, 100]
    assert quotes["one_sided"].tolist() == [False, False, False, True]


def level(price: str, size: str) -> dict[str, Any]:
    """Return a level of a Kraken book whose numbers keep their text in `book`."""
    return {"price": f"#{price}#", "qty": f"#{size}#"}


def book(t: float, kind: str, bids: list[Any], asks: list[Any], best: str, c: str = "") -> Frame:
    """Return a Kraken book frame; the checksum is that of the texts in `best`."""
    checksum = crc32("".join(p.replace(".", "").lstrip("0") for p in best.split()).encode())
    item = {"symbol": "BTC/USD", "bids": bids, "asks": asks, "checksum": checksum}
    message = {"channel": "book", "type": kind, "data": [item | {"timestamp": iso(t)}]}
    return frame("kraken", t, json.dumps(message).replace('"#', "").replace('#"', ""), c)


def test_a_kraken_book_is_checked_and_lost_until_the_next_snapshot() -> None:
    """The update of 3 has a wrong checksum: a gap from 3 to the snapshot of 5; 4 is ignored."""
    frames = [
        book(1, "snapshot", [level("9.0", "0.10")], [level("10.0", "1.00")], "10.0 1.00 9.0 0.10"),
        book(2, "update", [level("9.5", "2.00")], [], "10.0 1.00 9.5 2.00 9.0 0.10"),
        book(3, "update", [level("9.6", "2.00")], [], "1 2"),
        book(4, "update", [level("9.7", "2.00")], [], "1 2"),
        book(5, "snapshot", [level("9.1", "1.00")], [level("10.0", "1.00")], "10.0 1.00 9.1 1.00"),
    ]
    ticks = play(frames)
    assert ticks.quotes["bid"].tolist() == [9.0, 9.5, 9.1]
    assert unseen(ticks)[0] == ("BTC", 3, 5, "gap")


def answer(t: float, method: str, channel: str, **result: Any) -> Frame:
    """Return Kraken's acknowledgement for BTC/USD."""
    content = {"channel": channel, "symbol": "BTC/USD", **result}
    return frame("kraken", t, {"method": method, "success": True, "result": content})


def kraken_ticker(t: float, bid: float, kind: str = "update") -> Frame:
    """Return a Kraken ticker of BTC/USD with an ask of 20."""
    item = {"symbol": "BTC/USD", "bid": bid, "bid_qty": 1, "ask": 20, "ask_qty": 1}
    message = {"channel": "ticker", "type": kind, "data": [item | {"timestamp": iso(t)}]}
    return frame("kraken", t, message)


def test_kraken_prefers_the_ticker_by_best_then_the_book_then_the_plain_ticker() -> None:
    """Plain ticker, then the book outranks it, then the ticker acknowledged as bbo both."""
    snapshot = [level("9.0", "0.10")], [level("10.0", "1.00")], "10.0 1.00 9.0 0.10"
    update: Any = [level("9.5", "2.00")], [], "10.0 1.00 9.5 2.00 9.0 0.10"
    frames = [answer(1, "subscribe", "ticker", event_trigger="trades"), kraken_ticker(1, 1)]
    frames += [book(2, "snapshot", *snapshot), kraken_ticker(3, 2)]
    frames += [answer(4, "subscribe", "ticker", event_trigger="bbo"), book(5, "update", *update)]
    frames += [kraken_ticker(6, 3), answer(7, "unsubscribe", "book"), kraken_ticker(8, 4)]
    ticks = play(frames)
    assert ticks.quotes["bid"].tolist() == [1, 9, 3, 4]
    assert [reason for *_, reason in unseen(ticks)] == ["down"]  # the lost book was no source


def test_the_end_of_a_book_subscription_is_a_gap_where_the_book_is_the_source() -> None:
    """From the acknowledgement at 2 (s = 0) to the next snapshot."""
    snapshot = [level("9.0", "0.10")], [level("10.0", "1.00")], "10.0 1.00 9.0 0.10"
    frames = [book(1, "snapshot", *snapshot), book(1.5, "update", [], [], snapshot[2])]
    frames += [answer(2, "unsubscribe", "book"), book(3, "snapshot", *snapshot)]
    assert unseen(play(frames))[0] == ("BTC", 2, 3, "gap")


def test_a_kraken_book_keeps_its_depth() -> None:
    """11 bids set the depth to 25; with an acknowledged 10 the worst of 11 would be cut."""
    bids = [level(f"{price}.0", "1") for price in range(30, 19, -1)]
    best = "40.0 1 " + " ".join(f"{price}.0 1" for price in range(30, 20, -1))
    frames = [book(1, "snapshot", bids, [level("40.0", "1")], best)]
    without = best.replace("30.0 1 ", "") + " 20.0 1"
    frames += [book(2, "update", [level("30.0", "0")], [], without)]
    assert play(frames).quotes["bid"].tolist() == [30, 29]


def binance(receive: float, stream: str, **data: Any) -> Frame:
    """Return a Binance frame of BTCUSDT on the combined stream."""
    message = {"stream": f"btcusdt@{stream}", "data": {"s": "BTCUSDT", **data}}
    return frame("binance", receive, message)


def test_binance_quotes_stand_at_receive_time_and_repeats_are_dropped() -> None:
    """`u` 5, 5, 4, 6 gives two quotes."""
    best = {"b": "9", "B": "1", "a": "10", "A": "1"}
    frames = [binance(t, "bookTicker", u=u, **best) for t, u in enumerate((5, 5, 4, 6), 1)]
    assert seconds(play(frames).quotes, "time") == [1, 4]


def test_binance_trades_are_placed_by_their_time_and_the_skew() -> None:
    """Lags of −1.2 and −1.1 s: s = −1.2, so the second trade stands at 2 − 0.1."""
    trade = {"e": "trade", "p": "9", "q": "1", "m": True}
    frames = [binance(1, "trade", T=at(2.2) // 10**6, t=1, **trade)]
    frames += [binance(2, "trade", T=at(3.1) // 10**6, t=2, **trade)]
    trades = play(frames).trades
    assert seconds(trades, "time") == [1, 1.9]
    assert trades["side"].tolist() == [-1, -1]


def test_binance_whole_trades_replace_aggregated_ones() -> None:
    """Trades by `l` until a `trade` is seen; ids go on from there, 14 and 15 are missing."""
    aggregated = {"e": "aggTrade", "p": "9", "q": "1", "m": False, "a": 1, "f": 10}
    whole = {"e": "trade", "p": "9", "q": "1", "m": False}
    frames = [binance(1, "aggTrade", T=at(1) // 10**6, l=12, **aggregated)]
    numbers = (12, 13, 16)
    frames += [binance(2, "trade", T=at(2) // 10**6, t=number, **whole) for number in numbers]
    frames += [binance(3, "aggTrade", T=at(3) // 10**6, l=20, **aggregated)]
    ticks = play(frames)
    assert ticks.trades["id"].tolist() == [12, 13, 16]
    assert unseen(ticks, "trades")[0] == ("BTC", 1.8, 2, "gap")


def test_a_binance_market_with_depth_alone_is_in_gap_until_its_first_quote() -> None:
    """From the first depth frame at 1 to the bookTicker of 3; later depth changes nothing."""
    depth = {"e": "depthUpdate", "U": 1, "u": 2, "b": [], "a": [["10", "1"]]}
    best = {"u": 5, "b": "9", "B": "1", "a": "10", "A": "1"}
    frames = [binance(t, "depth", **depth) for t in (1, 2)]
    frames += [binance(3, "bookTicker", **best), binance(4, "depth", **depth)]
    assert unseen(play(frames))[0] == ("BTC", 1, 3, "gap")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        '{"type":"ticker","product_id":"BTC-USD"}',
        ticker(1, 1, 0, 2).text,
        ticker(1, 1, -1, 2).text,
        ticker(1, 1, 1, 2).text.replace('"1.00"', '"nan"'),
        ticker(1, 1, 1, 2).text.replace('"1.00"', "1.0"),
        ticker(1, 1, 1, 2).text.replace('"1.00"', "NaN"),
    ],
)
def test_a_frame_that_cannot_be_read_gives_nothing(text: str) -> None:
    """No JSON, fields missing or of the wrong type, numbers that cannot be."""
    ticks = play([frame("coinbase", 1, text)])
    assert dict(ticks.problems) == {("coinbase", "malformed_frame"): 1}
    assert len(ticks.quotes) == 0
    assert ticks.final == {}


def test_every_format_of_a_capture_is_read(tmp_path: Path) -> None:
    """Stamped lines, .cbcap with a monotonic clock, bare frames, and the project's own lines."""
    status = '{"channel":"heartbeat"}'
    stamped = tmp_path / "stamped.gz"
    stamped.write_bytes(gzip.compress(f"{at(1)} {status}\n{at(2)} {status}\n".encode()))
    assert [one.receive for one in read_frames(stamped)] == [at(1), at(2)]

    recorded = tmp_path / "recorded.cbcap"
    for first, expected in ((5_000, [at(1), at(1) + 7]), (at(3), [at(3), at(3) + 7])):
        header = f"CBCAP1 kraken BTC/USD {at(1)}\n"
        lines = f"{first} 23\n{status}\n{first + 7} 23\n{status}\n"
        recorded.write_text(header + lines)
        assert [one.receive for one in read_frames(recorded)] == expected

    bare = tmp_path / "bare.ndjson"
    texts = [status, book(2, "snapshot", [], [], "").text, book(1, "update", [], [], "").text]
    bare.write_text("\n".join([*texts, ticker(3, 3, 1, 2).text]) + "\n")
    found = read_frames(bare)
    assert [one.receive for one in found] == [at(2), at(2), at(2), at(3)]
    assert [one.exchange for one in found] == ["kraken", "kraken", "kraken", "coinbase"]

    own = tmp_path / "own.jsonl.zst"
    entries = [
        {"t": at(2), "exchange": "kraken", "c": "a", "kind": "open"},
        {"t": at(3), "exchange": "kraken", "c": "a", "frame": status},
    ]
    text = "\n".join(json.dumps(entry) for entry in entries)
    own.write_bytes(zstandard.compress(text.encode()))
    assert [(one.kind, one.connection) for one in read_frames(own)] == [
        ("open", (0, "kraken", "a")),
        ("frame", (0, "kraken", "a")),
    ]
    order = [(one.connection[0], one.kind) for one in merged([stamped, own])]
    assert order[:3] == [(0, "frame"), (0, "frame"), (0, "end")]
