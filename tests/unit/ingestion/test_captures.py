"""The readers of captures, their merge, and the writer."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import zstandard

from agents.ingestion.captures.captured import CapturedFrame
from agents.ingestion.captures.detect import read_capture
from agents.ingestion.captures.merge import merge_captures
from agents.ingestion.captures.writer import CaptureWriter
from models.errors import CaptureError
from tests.unit.ingestion.frames import (
    SECOND,
    START,
    at,
    binance_depth,
    binance_rest,
    binance_ticker,
    binance_trade,
    coinbase_heartbeat,
    coinbase_snapshot,
    combined,
    iso,
    kraken_ack,
    kraken_snapshot,
    kraken_trades,
)

DAY = 86_400 * SECOND


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def times(frames: Sequence[CapturedFrame]) -> list[int]:
    return [frame.t for frame in frames]


FRAMES = [
    CapturedFrame(1, "kraken", "kraken", "open", ""),
    CapturedFrame(2, "kraken", "kraken", "frame", '{"channel":"heartbeat"}'),
    CapturedFrame(2, "binance", "first", "rest", "{}", "https://x/depth?symbol=BTCUSDT"),
    CapturedFrame(3, "binance", "first", "frame", ""),
    CapturedFrame(3, "binance", "first", "frame", 'odd "text"\n with ends – and ☃'),
    CapturedFrame(4, "kraken", "kraken", "close", ""),
]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_what_is_written_is_read_again(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"capture.jsonl{suffix}"
    for part in (FRAMES[:2], FRAMES[2:]):
        with CaptureWriter(path) as writer:
            for frame in part:
                writer.write(frame)
    assert list(read_capture(path)) == FRAMES


def test_the_own_format_has_defaults_and_takes_numbers_as_connections(tmp_path: Path) -> None:
    path = write(
        tmp_path / "capture",
        '{"t": 5, "exchange": "kraken", "frame": "a"}',
        "",
        '{"frame": "b", "c": 3, "exchange": "binance", "t": 5, "later": true}',
    )
    assert list(read_capture(path)) == [
        CapturedFrame(5, "kraken", "kraken", "frame", "a"),
        CapturedFrame(5, "binance", "3", "frame", "b"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        '{"c": "p", "exchange": "kraken", "frame": "a", "t": 5}',
        '{"exchange": "kraken", "frame": "a", "t": 5, "c": "p"}',
        '{"kind": "frame", "exchange": "kraken", "frame": "a", "t": 5, "c": "p"}',
        ' { "frame" : "a", "exchange": "kraken", "t": 5, "c": "p"}',
        '{"url": null, "exchange": "kraken", "frame": "a", "t": 5, "c": "p"}',
    ],
)
def test_the_own_format_is_known_by_its_keys_in_any_order(tmp_path: Path, line: str) -> None:
    (frame,) = read_capture(write(tmp_path / "x", line))
    assert frame == CapturedFrame(5, "kraken", "p", "frame", "a")


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "nonsense",
        '{"t": 5}',
        '{"t": 5, "exchange": "kraken"}',
        '{"t": 5, "exchange": "mtgox", "frame": ""}',
        '{"t": "5", "exchange": "kraken", "frame": ""}',
        '{"t": -5, "exchange": "kraken", "frame": ""}',
        '{"t": 9223372036854775808, "exchange": "kraken", "frame": ""}',
        '{"t": 0, "exchange": "kraken", "frame": ""}',
        '{"t": 5, "exchange": "kraken", "frame": "", "kind": "rst"}',
        '{"t": 5, "exchange": "kraken", "frame": "\\ud800"}',
    ],
)
def test_a_bad_line_of_the_own_format_is_told_with_its_number(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / "capture", '{"t": 1, "exchange": "kraken", "frame": "a"}', line)
    frames = read_capture(path)
    assert next(frames).frame == "a"
    with pytest.raises(CaptureError) as caught:
        next(frames)
    assert f"{path}, line 2: expected " in caught.value.detail
    assert ", was " in caught.value.detail


def test_timed_lines_keep_their_times_and_know_rest_answers(tmp_path: Path) -> None:
    rest = binance_rest(5, [("1", "1")], [("2", "1")])
    path = write(tmp_path / "x", f"7 {combined('trade', binance_trade(1, 1))}", f"8 {rest}", "9 {")
    frames = list(read_capture(path))
    assert times(frames) == [7, 8, 9]
    assert [frame.kind for frame in frames] == ["frame", "rest", "frame"]
    assert {frame.exchange for frame in frames} == {"binance"}
    assert frames[1].frame == rest


def test_a_malformed_frame_in_a_good_line_goes_to_the_parser(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(b"1 {\xff\n2 " + coinbase_heartbeat(iso(1)).encode() + b"\n")
    broken, _ = list(read_capture(path))
    assert (broken.exchange, broken.frame) == ("coinbase", "{\udcff")


@pytest.mark.parametrize(
    "line", ["12", "x {}", "3 {}", "99999999999999999999 {}", "9" * 5_000 + " {}"]
)
def test_a_bad_timed_line_is_told_with_its_number(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / "x", f"7 {coinbase_heartbeat(iso(1))}", line)
    with pytest.raises(CaptureError, match="line 2: expected"):
        list(read_capture(path))


@pytest.mark.parametrize("line", ["1 {}", "{}", "nonsense", "\x00\x01"])
def test_a_file_that_tells_no_exchange_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(CaptureError):
        list(read_capture(write(tmp_path / "x", line)))


def test_bare_frames_take_the_newest_own_time_so_far_and_before_any_the_first_to_come(
    tmp_path: Path,
) -> None:
    path = write(
        tmp_path / "x",
        "nonsense",
        kraken_ack("book"),
        kraken_trades((1, iso(3)), (2, iso(5))),
        kraken_trades((3, iso(4))),
        kraken_snapshot([("1", "1")], [("2", "1")]),
        '{"channel":"heartbeat"}',
    )
    frames = list(read_capture(path))
    assert times(frames) == [at(5), at(5), at(5), at(5), at(50), at(50)]
    assert {(frame.exchange, frame.connection) for frame in frames} == {("kraken", "kraken")}


def test_bare_frames_of_several_exchanges_are_told_apart(tmp_path: Path) -> None:
    trade = binance_trade(1, START // 1_000_000 + 7_000) | {"E": START // 1_000_000 + 8_000}
    path = write(
        tmp_path / "x",
        coinbase_heartbeat(iso(6)),
        combined("trade", trade),
        coinbase_snapshot([], []).replace(iso(50), iso(9)),
        '{"error":"no","method":"subscribe","success":false}',
        combined("bookTicker", binance_ticker(1)),
        binance_rest(1, [], []),
        '{"result":null,"id":1}',
        '{"type":"mystery","time":"noon"}',
    )
    read = [(frame.exchange, frame.kind, frame.t) for frame in read_capture(path)]
    assert read == [
        ("coinbase", "frame", at(6)),
        ("binance", "frame", at(8)),
        ("coinbase", "frame", at(9)),
        ("kraken", "frame", at(9)),
        ("binance", "frame", at(9)),
        ("binance", "rest", at(9)),
        ("binance", "frame", at(9)),
        ("coinbase", "frame", at(9)),
    ]


def test_bare_frames_before_the_first_time_keep_their_own_exchange(tmp_path: Path) -> None:
    path = write(tmp_path / "x", kraken_ack("book"), coinbase_heartbeat(iso(6)))
    read = [(frame.exchange, frame.t) for frame in read_capture(path)]
    assert read == [("kraken", at(6)), ("coinbase", at(6))]


@pytest.mark.parametrize(("sent", "traded"), [(7_000, 8_000), (8_000, 7_000)])
def test_the_own_time_of_a_bare_frame_of_binance_is_the_newest_it_carries(
    tmp_path: Path, sent: int, traded: int
) -> None:
    trade = binance_trade(1, START // 1_000_000 + traded) | {"E": START // 1_000_000 + sent}
    for frame in (combined("trade", trade), json.dumps(trade)):
        assert times(list(read_capture(write(tmp_path / "x", frame)))) == [at(8)]


def test_bare_frames_without_any_time_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x", combined("bookTicker", binance_ticker(1)))
    with pytest.raises(CaptureError, match="a time of its own"):
        list(read_capture(path))


def cbcap(wall: int, *records: tuple[int, str]) -> bytes:
    text = f"CBCAP1 kraken BTC/USD {wall}\n"
    for stamp, payload in records:
        text += f"{stamp} {len(payload.encode())}\n{payload}\n"
    return text.encode()


def test_cbcap_stamps_are_times_or_count_from_the_header(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(cbcap(START, (START, "a – b"), (START + 5, "c\nd"), (START + 5, "")))
    frames = list(read_capture(path))
    assert [(frame.t, frame.frame) for frame in frames] == [
        (START, "a – b"),
        (START + 5, "c\nd"),
        (START + 5, ""),
    ]
    path.write_bytes(cbcap(START, (900, "a"), (950, "b")))
    assert times(list(read_capture(path))) == [START, START + 50]
    path.write_bytes(cbcap(START, (START - DAY, "a")))
    assert times(list(read_capture(path))) == [START - DAY]
    path.write_bytes(cbcap(START, (START - DAY - 1, "a")))
    assert times(list(read_capture(path))) == [START]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"CBCAP1 kraken BTC/USD\n", 1),
        (b"CBCAP1 mtgox BTC/USD 5\n", 1),
        (b"CBCAP1 kraken BTC/USD 5\n6 3\nab", 2),
        (b"CBCAP1 kraken BTC/USD 5\n6 2\nab\n7", 4),
        (b"CBCAP1 kraken BTC/USD 5\n6 1\nab\n", 2),
        (b"CBCAP1 kraken BTC/USD 5\n6 2\nab\n5 2\nab\n", 4),
        (b"CBCAP1 kraken BTC/USD 5\n6 -2\nab\n", 2),
    ],
)
def test_a_broken_cbcap_is_told_with_its_line(tmp_path: Path, content: bytes, line: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(CaptureError, match=f"line {line}: expected"):
        list(read_capture(path))


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
@pytest.mark.parametrize("kept", [0.2, 0.6, 0.99])
def test_a_truncated_compressed_file_is_refused(
    tmp_path: Path, compress: type[bytes], kept: float
) -> None:
    lines = (f'{{"t":{t},"exchange":"kraken","frame":"{t * t}"}}\n' for t in range(50_000))
    whole = compress("".join(lines).encode())
    path = tmp_path / "x"
    path.write_bytes(whole)
    assert len(list(read_capture(path))) == 50_000
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(CaptureError, match="a whole file"):
        list(read_capture(path))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="a whole file"):
        list(read_capture(tmp_path / "nothing"))


def test_an_empty_file_has_no_frames(tmp_path: Path) -> None:
    assert list(read_capture(write(tmp_path / "x"))) == []


def test_reading_is_lazy(tmp_path: Path) -> None:
    good = '{"t": 1, "exchange": "kraken", "frame": "a"}'
    path = write(tmp_path / "x", *itertools.repeat(good, 50_000), "broken")
    assert len(list(itertools.islice(read_capture(path), 10))) == 10


def own(t: int, frame: str, **more: str) -> str:
    extra = "".join(f',"{key}":"{value}"' for key, value in more.items())
    return f'{{"t":{t},"exchange":"kraken","frame":"{frame}"{extra}}}'


def test_files_merge_by_time_and_at_equal_times_in_the_order_given(tmp_path: Path) -> None:
    first = write(tmp_path / "b", own(1, "b1"), own(3, "b3"), own(3, "b3 again"))
    second = write(tmp_path / "a", own(1, "a1"), own(2, "a2"), own(3, "a3"), own(9, "a9"))
    merged = [
        (frame.t, frame.frame) for frame in merge_captures([first, second]) if frame.kind == "frame"
    ]
    assert merged == [
        (1, "b1"),
        (1, "a1"),
        (2, "a2"),
        (3, "b3"),
        (3, "b3 again"),
        (3, "a3"),
        (9, "a9"),
    ]


def test_every_file_has_connections_of_its_own_that_close_at_its_end(tmp_path: Path) -> None:
    first = write(
        tmp_path / "a", own(1, "x", c="p"), own(2, "", c="q", kind="open"), own(5, "y", c="p")
    )
    second = write(tmp_path / "b", own(1, "x", c="p"), own(9, "", c="p", kind="close"))
    merged = list(merge_captures([first, second]))
    closes = [(frame.t, frame.connection) for frame in merged if frame.kind == "close"]
    assert closes == [(5, "0:kraken:p"), (5, "0:kraken:q"), (9, "1:kraken:p")]
    assert [frame.connection for frame in merged if frame.frame == "x"] == [
        "0:kraken:p",
        "1:kraken:p",
    ]


def test_a_connection_closes_before_the_later_frames_of_other_files(tmp_path: Path) -> None:
    first = write(tmp_path / "a", own(1, "x"))
    second = write(tmp_path / "b", own(1, "y"), own(2, "z"))
    merged = [(frame.kind, frame.frame) for frame in merge_captures([first, second])]
    assert merged == [
        ("frame", "x"),
        ("close", ""),
        ("frame", "y"),
        ("frame", "z"),
        ("close", ""),
    ]


def test_depth_of_binance_as_bare_frames_is_no_rest_answer(tmp_path: Path) -> None:
    path = write(tmp_path / "x", combined("depth", binance_depth(1, 2)))
    (frame,) = read_capture(path)
    assert (frame.kind, frame.t) == ("frame", 1_000_000)
