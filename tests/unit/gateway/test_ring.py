"""Rows in a ring: the newest by number, in whatever order they come."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.memory.ring import Ring

ROW = np.dtype([("seq", "<i8"), ("value", "<i4")])


def row(seq: int, value: int) -> Any:
    """Return a row."""
    return np.array([(seq, value)], ROW)[0]


@given(
    limit=st.integers(1, 200),
    seqs=st.lists(st.integers(0, 2_000), max_size=300),
)
def test_a_ring_holds_what_a_dictionary_would(limit: int, seqs: list[int]) -> None:
    """After every row: those whose number is above the newest less the limit, the last one wins."""
    ring = Ring(ROW, limit)
    held: dict[int, int] = {}
    for value, seq in enumerate(seqs):
        newest = max([*held, -1])
        fits = not held or seq > newest - limit
        assert ring.put(row(seq, value)) is fits
        if fits:
            held[seq] = value
            held = {s: v for s, v in held.items() if s > max(newest, seq) - limit}
        assert [tuple(each) for each in ring.rows().tolist()] == sorted(held.items())
    for seq in range(0, 2_001, 7):
        got = ring.get(seq)
        assert (None if got is None else int(got["value"])) == held.get(seq)
    some = ring.rows(500, 1_000)["seq"].tolist()
    assert some == sorted(seq for seq in held if 500 <= seq < 1_000)


def test_a_ring_takes_memory_as_it_fills() -> None:
    """Not at once for the whole horizon, and never for more than it."""
    ring = Ring(ROW, 1_500)
    first = ring.nbytes
    for seq in range(10_000, 20_000):
        ring.put(row(seq, 0))
        assert ring.nbytes <= 1_500 * ROW.itemsize
    assert first < ring.nbytes == 1_500 * ROW.itemsize
    assert len(ring) == 1_500
