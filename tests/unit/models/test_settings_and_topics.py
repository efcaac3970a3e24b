"""Settings, and the table of topics."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from models.settings import Settings, environment_of
from models.topics import DEAD_LETTERS, declared_topics, exchange_topics, topic_name

EXCHANGES = ["binance", "coinbase", "kraken"]


@pytest.mark.parametrize("plan", ["", "outputs_acknowledged:1", "changelog_acknowledged:17"])
def test_a_fault_plan_is_a_point_and_a_count(plan: str) -> None:
    assert Settings(fault_point=plan).fault_point == plan


@pytest.mark.parametrize(
    "plan",
    ["outputs_acknowledged", ":1", "point:0", "point:-1", "point:01", "Point:1", "a:1:2", "a:1\n"],
)
def test_another_fault_plan_is_refused(plan: str) -> None:
    with pytest.raises(ValidationError):
        Settings(fault_point=plan)


@pytest.mark.parametrize("namespace", ["a.b", "a b", "ä", "a/b"])
def test_a_namespace_that_is_no_part_of_a_topic_name_is_refused(namespace: str) -> None:
    with pytest.raises(ValidationError):
        Settings(namespace=namespace)


def test_another_process_reads_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        namespace="trial",
        partitions=3,
        exchanges=["kraken"],
        silence_limit_s=7.5,
        fault_point="a:2",
    )
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_every_topic_is_declared_once() -> None:
    names = [topic.name for topic in declared_topics(EXCHANGES)]
    assert sorted(names) == sorted(set(names))
    for exchange in EXCHANGES:
        assert {f"{exchange}_quotes", f"{exchange}_trades"} <= set(names)
    assert {"spreads", "closes", "bars", "correlations", "dead_letters"} <= set(names)


def test_only_the_exchanges_that_are_followed_have_topics() -> None:
    names = {topic.name for topic in declared_topics(["kraken"])}
    assert "kraken_quotes" in names
    assert not any(name.startswith(("binance", "coinbase")) for name in names)


def test_everything_about_a_coin_lies_in_its_partition_but_dead_letters() -> None:
    spread_out = {t.name for t in declared_topics(EXCHANGES) if t.partitioning == "none"}
    assert spread_out == {DEAD_LETTERS.name}


def test_changelogs_are_compacted_and_ticks_are_deleted_after_26_hours() -> None:
    topics = {topic.name: topic for topic in declared_topics(EXCHANGES)}
    assert all(
        topic.cleanup == "compact" and topic.codec == "step"
        for name, topic in topics.items()
        if name.endswith("-changelog")
    )
    for topic in exchange_topics("kraken"):
        assert topics[topic.name] == topic
        assert (topic.cleanup, topic.retention_ms) == ("delete", 93_600_000)
    assert (topics["spreads"].cleanup, topics["spreads"].retention_ms) == ("delete", 86_400_000)


def test_ticks_are_read_by_the_codec_of_their_kind() -> None:
    quotes, trades = exchange_topics("kraken")
    assert (quotes.name, quotes.codec) == ("kraken_quotes", "quotes")
    assert (trades.name, trades.codec) == ("kraken_trades", "trades")


def test_a_namespace_goes_before_the_name_and_none_before_nothing() -> None:
    assert topic_name("spreads", "trial") == "trial.spreads"
    assert topic_name("spreads", "") == "spreads"
