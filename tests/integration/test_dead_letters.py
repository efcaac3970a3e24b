"""What cannot be read is counted, told and kept whole in `dead_letters`; the line goes on."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from models.settings import Settings
from models.topics import DEAD_LETTERS
from tests.burst_log import MADE_CAPTURES, bursts_of, captured
from tests.integration.feed import Feed, drive
from tests.integration.line import Line
from tests.integration.topic_records import read_topic
from tests.oracle import ticks_of

_PLAIN = next(path for path in MADE_CAPTURES if path.name.startswith("jump"))
_KRAKEN = next(path for path in MADE_CAPTURES if path.name.startswith("kraken"))
_MALFORMED = [
    '{"channel": "ticker", “no JSON”, naïve \u2028',
    '{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":-1.5}]}',
    '{"channel":"book","type":"update","data":"nothing"}',
]
_UNKNOWN = '{"channel":"fireworks","type":"update","data":[{"symbol":"BTC/USD","seen":"ééé"}]}'
_SECONDS = 60


def with_bad_frames(folder: Path) -> Path:
    """Write the first minute of a capture with frames put in that no parser can use."""
    with (
        _PLAIN.open("rb") as packed,
        zstandard.ZstdDecompressor().stream_reader(packed) as plain,
    ):
        lines = [json.loads(line) for line in io.TextIOWrapper(plain, encoding="utf-8")]
    until = lines[0]["t"] + _SECONDS * 1_000_000_000
    lines = [line for line in lines if line["t"] < until]
    places = [place for place, line in enumerate(lines) if line["exchange"] == "kraken"]
    middle = places[len(places) // 2]
    bad = [{**lines[middle], "frame": frame} for frame in (*_MALFORMED, _UNKNOWN)]
    lines[middle:middle] = bad
    path = folder / "with_bad_frames.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def letters_in(settings: Settings) -> list[dict[str, Any]]:
    """Return what `dead_letters` holds."""
    records = read_topic(settings, DEAD_LETTERS.name)
    return [json.loads(record.value or b"") for record in records]


def test_frames_that_cannot_be_read_are_counted_and_kept_and_change_nothing_else(
    namespaced: Settings, tmp_path: Path
) -> None:
    """All are counted in the report of `replay`; the first two of a reason lie there as they came.

    The series is the oracle's of the same capture, bad frames included.
    """
    capture = with_bad_frames(tmp_path)
    told = ticks_of([capture], namespaced.partitions).problems
    assert told == {("kraken", "malformed_frame"): 3, ("kraken", "unknown_message"): 1}
    with Line(namespaced) as line:
        line.start_worker()
        done = line.replay(capture)
        line.wait_until_done()
        line.assert_series([capture])
    report = {
        name: counts.split(", ")
        for name, _, counts in (text.partition(": ") for text in done.stdout.splitlines())
    }
    assert {"3 malformed_frame", "1 unknown_message"} <= set(report["kraken"])
    assert not any("malformed" in text for text in report["coinbase"] + report["binance"])
    for reason in ("malformed_frame", "unknown_message"):
        assert any(f"kraken: last {reason}: " in text for text in done.stderr.splitlines())
    letters = letters_in(namespaced)
    kept = [(letter["reason"], base64.b64decode(letter["value"]).decode()) for letter in letters]
    assert kept == [
        ("malformed_frame", _MALFORMED[0]),
        ("malformed_frame", _MALFORMED[1]),
        ("unknown_message", _UNKNOWN),
    ]
    assert {letter["origin"]["exchange"] for letter in letters} == {"kraken"}
    assert all(letter["detail"] for letter in letters)


def test_records_that_cannot_be_decoded_are_kept_whole_and_the_line_goes_on(
    namespaced: Settings,
) -> None:
    """Put into the tick topics in the middle of a replay: garbage, nothing, other versions.

    Each lies in `dead_letters` with its place, key and value, and is counted by reason.
    """
    newer = msgspec.msgpack.encode({"version": 2, "what": "nobody knows yet"})
    like_ours = msgspec.msgpack.decode(bursts_of(captured([_KRAKEN]), namespaced)[0].value)
    same_form = msgspec.msgpack.encode({**like_ours, "version": 7})
    cut_off = bursts_of(captured([_KRAKEN]), namespaced)[4].value[:-9]
    by_hand: list[tuple[str, int, bytes | None, bytes | None, str]] = [
        ("kraken_quotes", 2, b"by hand 1", b"\xc1\x00 no burst", "undecodable_record"),
        ("kraken_quotes", 2, b"by hand 2", newer, "unknown_schema_version"),
        ("kraken_quotes", 0, b"by hand \xff", same_form, "unknown_schema_version"),
        ("kraken_quotes", 1, b"by hand 4", None, "undecodable_record"),
        ("kraken_trades", 2, None, cut_off, "undecodable_record"),
        ("kraken_trades", 3, b"by hand 6", b"", "undecodable_record"),
    ]
    with Line(namespaced) as line:
        feed = Feed(namespaced, [_KRAKEN])
        worker = line.start_worker()
        line.wait_until_ready(worker)
        drive(line, feed, 0.3)
        for topic, partition, key, value, _ in by_hand:
            feed.produce(topic, partition, key, value)
        feed.flush()
        drive(line, feed, 0.6)
        feed.send(1.0)
        line.wait_until_done()
        counted = {
            reason: worker.metric(
                f'cointide_dead_letters_total{{agent="spread",reason="{reason}"}}'
            )
            for reason in ("undecodable_record", "unknown_schema_version")
        }
        assert worker.is_alive()
        line.assert_series([_KRAKEN])
    assert counted == Counter(reason for *_, reason in by_hand)
    # Where they lie, from the tick topics themselves.
    places = {
        (f"{namespaced.namespace}.{topic}", record.partition, record.offset): reason
        for topic, partition, key, value, reason in by_hand
        for record in read_topic(namespaced, topic)
        if (record.partition, record.key, record.value) == (partition, key, value)
    }
    letters = letters_in(namespaced)
    found = {tuple(letter["origin"].values()): letter["reason"] for letter in letters}
    assert found == places
    assert len(letters) == len(by_hand)
    whole = [
        tuple(None if part is None else base64.b64decode(part) for part in parts)
        for parts in ((letter["key"], letter["value"]) for letter in letters)
    ]
    assert Counter(whole) == Counter((key, value) for _, _, key, value, _ in by_hand)
