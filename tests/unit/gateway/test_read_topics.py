"""What is read at a start, and what need not be."""

from __future__ import annotations

import pytest

from services.gateway.kafka.topics import read_topics

HOUR_MS = 3_600_000
BY_NAME = {topic.name: topic for topic in read_topics(["kraken", "binance"], "trial")}


def test_every_topic_of_figures_is_read() -> None:
    """Under its namespace, as far back as something of it is held."""
    for name in ("spreads", "bars", "indicators", "returns", "correlations"):
        assert BY_NAME[name].full_name == f"trial.{name}"
        assert BY_NAME[name].look_back_s
        assert BY_NAME[name].look_back_records > 0


@pytest.mark.parametrize(
    ("key", "hours", "is_too_old"),
    [
        (b"kraken|2|1m|1772366460", 25, False),
        (b"kraken|2|1m|1772366460", 27, True),
        (b"kraken|2|1m|1772366460|77", 27, True),
        (b"kraken|2|5m|1772366460", 27, False),
        (b"kraken|2|5m|1772366460", 56, True),
        (b"kraken|2|1h|1772366460", 166, False),
        (b"another key", 500, False),
        (None, 500, False),
    ],
)
def test_bars_that_are_not_held_any_more_are_not_read(
    key: bytes | None, hours: int, is_too_old: bool
) -> None:
    """By the interval in the key; what has another key is read."""
    for name in ("bars", "indicators"):
        assert BY_NAME[name].is_too_old(key, hours * HOUR_MS) is is_too_old
    assert not BY_NAME["spreads"].is_too_old(key, hours * HOUR_MS)
