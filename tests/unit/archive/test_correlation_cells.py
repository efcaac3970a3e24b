"""What the archive keeps of matrices: one row a pair, of every fifth minute."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from models.archive.correlation_cells import decode_cells
from models.archive.derived_tables import derived_rows, derived_table
from models.errors import RecordError
from models.records.correlations import WHY, CorrelationBlock, encode_block

_COINS = ["ADA", "BTC", "ETH"]


def blocks(as_of: str) -> list[CorrelationBlock]:
    """Return a matrix of three coins in two blocks; a pair of it is not defined."""
    matrix = np.array([[1.0, 0.5, np.nan], [0.5, 1.0, -0.25], [np.nan, -0.25, 1.0]])
    n = np.arange(9, dtype="<u4").reshape(3, 3)
    why = np.where(np.isnan(matrix), WHY.index("thin"), 0).astype("u1")
    return [
        CorrelationBlock(
            version=1,
            table="1h.60s.pearson",
            as_of=as_of,
            block=number,
            blocks=2,
            first_row=first,
            coins=_COINS,
            masked=[],
            matrix=matrix[first:last].tobytes(),
            n=n[first:last].tobytes(),
            n_rest=n[first:last].tobytes(),
            n_effective=(2.0 * n)[first:last].tobytes(),
            why=why[first:last].tobytes(),
            sigma=np.zeros(3).tobytes(),
            ticks=np.zeros(3).tobytes(),
        )
        for number, (first, last) in enumerate(((0, 2), (2, 3)))
    ]


def test_every_pair_on_and_above_the_diagonal_is_a_row() -> None:
    values = [encode_block(block) for block in blocks("2026-03-01T12:05:00Z")]
    records = [derived_rows("correlations", i, value) for i, value in enumerate(values)]
    rows = derived_table("correlations", records).to_pylist()
    told = [(row["coin_a"], row["coin_b"], row["correlation"], row["n"]) for row in rows]
    assert told == [
        ("ADA", "ADA", 1.0, 0),
        ("ADA", "BTC", 0.5, 1),
        ("ADA", "ETH", None, 2),
        ("BTC", "BTC", 1.0, 4),
        ("BTC", "ETH", -0.25, 5),
        ("ETH", "ETH", 1.0, 8),
    ]
    assert [row["why"] for row in rows] == [None, None, "thin", None, None, None]
    assert [row["n_effective"] for row in rows] == [0.0, 2.0, 4.0, 8.0, 10.0, 16.0]
    assert {row["table"] for row in rows} == {"1h.60s.pearson"}
    assert [row["offset"] for row in rows] == [0, 0, 0, 0, 0, 1]


def test_a_matrix_between_two_fifth_minutes_has_no_rows() -> None:
    for as_of in ("2026-03-01T12:04:50Z", "2026-03-01T12:06:00Z"):
        assert decode_cells(encode_block(blocks(as_of)[0])).coin_a == []


def test_a_matrix_that_fits_nothing_is_refused() -> None:
    right = blocks("2026-03-01T12:05:00Z")[0]
    wrong = [
        msgspec.structs.replace(right, why=b"\xff" * len(right.why)),
        msgspec.structs.replace(right, n=right.n[:-4]),
    ]
    for block in wrong:
        with pytest.raises(RecordError):
            derived_rows("correlations", 0, encode_block(block))
