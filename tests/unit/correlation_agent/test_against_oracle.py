"""Every step of the tables equals the oracle's, however they are fed and killed."""

from __future__ import annotations

import random

import pytest

from agents.correlation.state import decided_in
from models.records.correlations import LARGEST_BLOCK_BYTES
from tests.correlation_made import START, Tables, closes, encoded, fed, simulated_closes

NAMES = ("10m.10s.pearson", "10m.10s.spearman", "10m.10s.ewma", "10m.1s.hayashi_yoshida")


@pytest.mark.parametrize("seed", [1, 2])
def test_every_published_step_equals_the_oracle_given_the_masks(seed: int) -> None:
    tables = fed(Tables(NAMES, encoded(simulated_closes(1100, seed))), seed, kills=0.1)
    for name in NAMES:
        assert any(decision.masked for decision in tables.decisions(name))
        assert len(tables.steps[name]) >= 110
        found = tables.differences(name, every=3)
        assert not found, "\n".join(found[:20])


def test_an_hour_with_overlapping_returns_equals_the_oracle() -> None:
    # Only every tenth second is needed by this table, the others take time.
    every = [each for each in simulated_closes(4100, 3) if each.as_of.endswith("0Z")]
    tables = Tables(("1h.60s.pearson",), encoded(every))
    tables.read(len(every))
    found = tables.differences("1h.60s.pearson")
    assert not found, "\n".join(found[:20])


def test_the_step_that_reaches_30_effective_rows_exactly_is_defined() -> None:
    # 102 rows of 5/17 each; a sum of them one by one stays below 30.
    name, minute = "24h.5m.pearson", START - START % 60
    rng = random.Random(1)
    log = encoded(
        closes("kraken", minute + 60 * i, {"A-USD": 1 + rng.random(), "B-USD": 1 + rng.random()})
        for i in range(108)
    )
    tables = Tables((name,), log)
    tables.read(len(log))
    assert not tables.differences(name)
    defined = [step.blocks[0].column("why")[0, 1] == 0 for step in tables.steps[name].values()]
    assert defined == [False] * 106 + [True] * 2


def test_kills_change_no_table_by_the_second() -> None:
    log = encoded(simulated_closes(700, 4))
    calm, killed = Tables(NAMES[3:], log), Tables(NAMES[3:], log)
    # Both are given everything before they decide, so that neither masks what the other does not.
    calm.read(len(log), at_end=False)
    for end in range(0, len(log), 97):
        killed.read(end, at_end=False)
        killed.kill()
    killed.read(len(log), at_end=False)
    assert killed.published == calm.published
    assert len(calm.steps[NAMES[3]]) >= 60


def test_a_matrix_is_cut_into_blocks_of_whole_rows() -> None:
    pairs = [f"C{i:04}-USD" for i in range(400)]
    log = encoded(
        closes("kraken", START + second, {pair: 1.0 + i for i, pair in enumerate(pairs)})
        for second in (0, 10)
    )
    tables = Tables(("10m.10s.pearson",), log)
    tables.read(2)
    step = tables.steps["10m.10s.pearson"]
    for published in step.values():
        blocks = published.blocks
        assert [block.block for block in blocks] == list(range(blocks[0].blocks))
        assert sum(block.rows for block in blocks) == 400
        assert [block.first_row for block in blocks] == [
            sum(before.rows for before in blocks[:i]) for i in range(len(blocks))
        ]
    sizes = [
        len(value)
        for key, values in tables.published.items()
        if key.count(b"|") == 1 and b"T" in key
        for value in values
    ]
    assert len(sizes) > 2
    assert max(sizes) <= LARGEST_BLOCK_BYTES


def test_a_step_without_any_price_is_published_empty() -> None:
    log = encoded(closes("kraken", START + s, {"A-USD": None}) for s in (0, 10))
    tables = Tables(NAMES, log)
    tables.read(2)
    for name in NAMES:
        for published in tables.steps[name].values():
            assert published.returns.coins == []
            assert [block.rows for block in published.blocks] == [0]


def test_what_was_decided_stands_in_the_changelog() -> None:
    tables = Tables(("10m.10s.pearson",), encoded(simulated_closes(400, 1)))
    tables.read(len(tables.log))
    last = tables.place.tables[0].last
    assert last is not None
    assert set(decided_in(last).sources) == {
        f"{exchange}|{partition}"
        for exchange in ("binance", "coinbase", "kraken")
        for partition in (0, 1)
    }
