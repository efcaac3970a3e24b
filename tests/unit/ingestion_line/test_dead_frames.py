"""Dead frames: all counted, the first two of each reason within an hour kept whole."""

from __future__ import annotations

import base64

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.ingestion.dead_frames import DeadFrames
from models.errors import FrameError
from models.records.dead_letters import DeadLetter

MINUTE = 60 * 1_000_000_000
HOUR = 60 * MINUTE
START = 1_800_000_000_000_000_000


def letters(dead: DeadFrames) -> list[DeadLetter]:
    """Take what is to be sent."""
    return [msgspec.json.decode(value, type=DeadLetter) for value in dead.drain()]


def test_a_letter_holds_the_frame_whole_its_reason_and_its_origin() -> None:
    """And it is handed out once."""
    dead = DeadFrames("kraken")
    dead.add(FrameError("malformed_frame", "expected JSON"), START, '{"price": "€1"')
    (letter,) = letters(dead)
    assert (letter.version, letter.reason, letter.detail) == (1, "malformed_frame", "expected JSON")
    assert (letter.origin.exchange, letter.origin.receive_time) == ("kraken", START)
    assert (letter.origin.topic, letter.key) == (None, None)
    assert base64.b64decode(letter.value or "") == '{"price": "€1"'.encode()
    assert letters(dead) == []


def test_two_of_a_reason_are_kept_an_hour_and_all_are_counted() -> None:
    """The third may follow when the first is an hour old; reasons do not share."""
    dead = DeadFrames("kraken")
    times = [0, 20 * MINUTE, 40 * MINUTE, HOUR - 1, HOUR, HOUR + 1, HOUR + 20 * MINUTE]
    for number, time in enumerate(times):
        dead.add(FrameError("malformed_frame", str(number)), START + time, "x")
    dead.add(FrameError("unknown_message", "other"), START + HOUR, "y")
    assert [(letter.reason, letter.detail) for letter in letters(dead)] == [
        ("malformed_frame", "0"),
        ("malformed_frame", "1"),
        ("malformed_frame", "4"),
        ("malformed_frame", "6"),
        ("unknown_message", "other"),
    ]
    assert dead.counts == {"malformed_frame": 7, "unknown_message": 1}
    assert dead.last_detail == {"malformed_frame": "6", "unknown_message": "other"}


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40))
def test_bytes_that_are_no_text_come_back_as_they_were(payload: bytes) -> None:
    dead = DeadFrames("kraken")
    text = payload.decode("utf-8", "surrogateescape")
    dead.add(FrameError("malformed_frame", ""), START, text)
    assert base64.b64decode(letters(dead)[0].value or "") == payload


def test_half_a_surrogate_pair_is_kept_too() -> None:
    """JSON may name one; it is no UTF-8, but nothing stops because of it."""
    dead = DeadFrames("kraken")
    dead.add(FrameError("malformed_frame", ""), START, "\ud83d")
    assert base64.b64decode(letters(dead)[0].value or "") == b"\xed\xa0\xbd"
