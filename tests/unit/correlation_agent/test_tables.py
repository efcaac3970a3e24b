"""Which tables there are."""

from __future__ import annotations

import pytest

from agents.correlation.tables import table_definition, table_definitions
from models.errors import SettingsError
from models.settings import Settings


def test_the_default_tables_are_those_of_the_contract() -> None:
    found = {
        each.name: (each.step_s, each.row_s, each.lag, each.rows, each.most_coins)
        for each in table_definitions(Settings().correlation_tables, 50)
    }
    assert found == {
        "15m.10s.pearson": (10, 10, 1, 90, None),
        "1h.60s.pearson": (10, 10, 6, 360, None),
        "24h.5m.pearson": (60, 60, 5, 1440, None),
        "1h.60s.spearman": (10, 10, 6, 360, 50),
        "1h.60s.ewma": (10, 10, 6, 360, 50),
        "1h.1s.hayashi_yoshida": (10, 1, 1, 3600, 50),
    }


def test_one_hour_of_ten_seconds_keeps_366_rows() -> None:
    assert table_definition("1h.60s.pearson", 50).slots == 366


def test_a_table_has_a_partition_of_its_own_name() -> None:
    # murmur2 as Kafka's Java client computes it (librdkafka's murmur2_random gives the same).
    assert table_definition("1h.60s.pearson", 50).partition(1) == 0
    assert 0 <= table_definition("1h.60s.pearson", 50).partition(8) < 8


@pytest.mark.parametrize(
    "name",
    [
        "1h.pearson",
        "1h.60s.kendall",
        "1h.0s.pearson",
        "1x.60s.pearson",
        "1h.15s.pearson",
        "1h.1s.pearson",
        "1h.60s.hayashi_yoshida",
        "60s.60s.pearson",
        "95s.10s.pearson",
        "24h.7m30s.pearson",
    ],
)
def test_a_name_that_is_no_table_says_what_was_expected(name: str) -> None:
    with pytest.raises(SettingsError, match="expected a "):
        table_definition(name, 50)
