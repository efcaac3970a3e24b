"""Numbers and times as exchanges write them."""

from __future__ import annotations

import pytest

from agents.ingestion.exchanges.fields import prices_of, sizes_of, time_of
from models.errors import FrameError


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("2026-10-03T20:58:31.127510Z", 1_791_061_111_127_510_000),
        ("2026-10-03T20:58:31Z", 1_791_061_111_000_000_000),
        ("2026-10-03T20:58:31.1Z", 1_791_061_111_100_000_000),
        ("2026-10-03T20:58:31.123456789Z", 1_791_061_111_123_456_789),
        ("2026-10-03T22:58:31.5+02:00", 1_791_061_111_500_000_000),
        ("2026-10-03T15:28:31.5-0530", 1_791_061_111_500_000_000),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("2262-04-11T23:47:15.999999999Z", 9_223_372_035_999_999_999),
    ],
)
def test_iso_times_become_nanoseconds(text: str, nanoseconds: int) -> None:
    assert time_of(text) == nanoseconds


def test_no_time_is_zero() -> None:
    assert time_of(None) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Z",
        "yesterday",
        "2026-10-03",
        "2026-10-03T20:58:31",
        "2026-10-03 20:58:31Z",
        "2026-10-03T20:58:31.Z",
        "2026-10-03T20:58:31.1234567890Z",
        "2026-10-03T20:58:31.-12Z",
        "2026-10-03T20:58:31.1_2Z",
        "2026-10-03T20:58:31.١Z",
        "2026-13-03T20:58:31.1Z",
        "2026-10-03T20:58:61.1Z",
        "2026-10-03T24:00:00.1Z",
        "1969-12-31T23:59:59.9Z",
        "1970-01-01T00:00:00+01:00",
        "2262-04-11T23:47:17Z",
        "9999-12-31T23:59:59.999999Z",
        "2026-10-03T20:58:31.1Z\n",
        " 026-10-03T20:58:31.1Z",
    ],
)
def test_what_is_no_time_is_malformed(text: str) -> None:
    with pytest.raises(FrameError) as caught:
        time_of(text)
    assert caught.value.reason == "malformed_frame"


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1.0), ("0.00000037", 3.7e-7), ("61837.63000000", 61837.63)]
)
def test_prices_become_floats(text: str, number: float) -> None:
    assert prices_of([text]) == sizes_of([text]) == [number]


def test_a_size_may_be_zero_and_a_price_may_not() -> None:
    assert sizes_of(["0.00000000"]) == [0.0]
    with pytest.raises(FrameError, match="malformed_frame"):
        prices_of(["1", "0.00000000"])


@pytest.mark.parametrize(
    "text",
    ["", "-1", "nan", "inf", "-inf", "1e999", "1_0", " 1", "1 ", "0x1", "١", "1.2.3", "e", "1,5"],
)
def test_what_is_no_finite_number_is_malformed(text: str) -> None:
    for read in (prices_of, sizes_of):
        with pytest.raises(FrameError, match="malformed_frame"):
            read(["1", text])
