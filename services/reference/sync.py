"""Coins and markets by REST into their topics; what is followed no more gets a tombstone."""

from __future__ import annotations

import os
from collections.abc import Mapping

import httpx
import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from agents.ingestion.instruments.coins import PAGE, coins_of, followed, unique_coins
from agents.ingestion.instruments.markets import INSTRUMENTS
from models.errors import FrameError, TransportError
from models.kafka_clients import client_configuration
from models.markets import coin_of
from models.partition import partition_of
from models.records.reference import Coin, Market, encode_reference
from models.settings import Settings
from models.topics import COINS, MARKETS, topic_name
from services.replay.sender import Sender

_LIMIT_S = 30.0


class SyncReport(msgspec.Struct, frozen=True):
    """What one run published: coins and markets followed, and how many are followed no more."""

    coins: int
    markets: int
    gone: int
    failed: tuple[str, ...]


def sync_reference(settings: Settings, brokers: str) -> SyncReport:
    """Fetch coins and instruments and publish what is followed.

    An exchange that does not answer keeps its markets as they are and is named in the report.

    Raises:
        TransportError: CoinGecko, all exchanges or Kafka did not answer.
    """
    with httpx.Client(timeout=_LIMIT_S) as client:
        coins = _fetch_coins(client, settings)
        lists, failed = _fetch_markets(client, settings)
    if not lists:
        raise TransportError(f"expected an instrument list of an exchange, but {'; '.join(failed)}")
    all_markets = [market for markets in lists.values() for market in markets]
    chosen, markets = followed(coins, all_markets, settings.top_coins, settings.quote_currencies)
    kept = _keys(brokers, settings, MARKETS.name)
    wanted = {market.market: market for market in markets}
    gone = [name for name in kept if name not in wanted and name.partition(":")[0] in lists]
    kept_coins = _keys(brokers, settings, COINS.name)
    with Sender(brokers, settings) as sender:
        for coin in chosen:
            _send(sender, settings, COINS.name, coin.coin, coin.coin, coin)
        for market in markets:
            _send(sender, settings, MARKETS.name, market.market, market.coin, market)
        for name in gone:
            _send(sender, settings, MARKETS.name, name, coin_of(name), None)
        for name in kept_coins - {coin.coin for coin in chosen}:
            _send(sender, settings, COINS.name, name, name, None)
    return SyncReport(len(chosen), len(markets), len(gone), tuple(failed))


def _send(
    sender: Sender,
    settings: Settings,
    topic: str,
    key: str,
    coin: str,
    record: Coin | Market | None,
) -> None:
    partition = partition_of(coin, settings.partitions)
    value = None if record is None else encode_reference(record)
    sender.send(topic, partition, key.encode(), value)


def _fetch_coins(client: httpx.Client, settings: Settings) -> list[Coin]:
    key = settings.coingecko_key.get_secret_value()
    headers = {"x-cg-demo-api-key": key} if key else {}
    coins: list[Coin] = []
    # Some of the first coins are no candidates (stablecoins, not listed), so look further.
    pages = -(-(settings.top_coins * 2 + 50) // PAGE)
    try:
        for page in range(1, pages + 1):
            answer = client.get(
                f"{settings.coingecko_rest_url}/api/v3/coins/markets",
                params={
                    "vs_currency": "usd",
                    "order": "market_cap_desc",
                    "per_page": PAGE,
                    "page": page,
                },
                headers=headers,
            )
            answer.raise_for_status()
            found = coins_of(answer.content)
            coins.extend(found)
            if len(found) < PAGE:
                break
    except (httpx.HTTPError, FrameError) as error:
        raise TransportError(f"expected coins from CoinGecko, but {error}") from error
    return unique_coins(coins)


def _fetch_markets(
    client: httpx.Client, settings: Settings
) -> tuple[Mapping[str, list[Market]], list[str]]:
    found: dict[str, list[Market]] = {}
    failed: list[str] = []
    for exchange in settings.exchanges:
        instruments = INSTRUMENTS[exchange]
        url = getattr(settings, f"{exchange}_rest_url") + instruments.path
        try:
            answer = client.get(url)
            answer.raise_for_status()
            found[exchange] = instruments.read(answer.content)
        except (httpx.HTTPError, FrameError) as error:
            failed.append(f"{exchange}: {error}")
    return found, failed


def _keys(brokers: str, settings: Settings, topic: str) -> set[str]:
    """Return the keys that a compacted topic holds a value for."""
    name = topic_name(topic, settings.namespace)
    consumer = Consumer(
        {
            **client_configuration(settings, brokers),
            # librdkafka wants a name; with `assign` and no commits there is no such group.
            "group.id": f"sync-{os.getpid()}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    held: dict[str, bool] = {}
    try:
        partitions = consumer.list_topics(name, timeout=_LIMIT_S).topics[name].partitions
        consumer.assign([TopicPartition(name, each, OFFSET_BEGINNING) for each in partitions])
        left = set(partitions)
        while left:
            message = consumer.poll(_LIMIT_S)
            if message is None:
                raise TransportError(f"expected the end of {name}, was no answer")
            key = message.key()
            if message.error() is not None:
                left.discard(message.partition() or 0)
            elif key is not None:
                held[key.decode("utf-8", "replace")] = message.value() is not None
    except KafkaException as error:
        raise TransportError(f"expected to read {name}, but {error}") from error
    finally:
        consumer.close()
    return {key for key, has_value in held.items() if has_value}
