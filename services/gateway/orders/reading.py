"""Reads the last hour of a source when someone asks for it, and at each request what came since.

Most markets are never asked for, so no gateway keeps an hour of everything; and since it is read
from the topics, any replica says the same.
"""

from __future__ import annotations

import threading
import time

import msgspec

from agents.runtime.topic_reader import ReadFrom, TopicReader
from models.errors import RecordError
from models.markets import coin_of, exchange_of
from models.partition import partition_of
from models.records.bursts import decode_trades
from models.settings import Settings
from models.topics import SPREADS, exchange_topics, topic_name
from services.gateway.orders.past import (
    LONGEST_HORIZON_S,
    STEP_S,
    WINDOW_S,
    SourcePast,
    SpreadColumns,
)

_LIMIT_S = 20.0
_decode = msgspec.json.Decoder(SpreadColumns)


class _Source:
    """The past of one source, and the next offset of each of its topics."""

    def __init__(self, exchange: str) -> None:
        self.past = SourcePast(exchange)
        self.next: dict[str, int] = {}
        self.lock = threading.Lock()


class Pasts:
    """The pasts of the sources that were asked for. Any thread may ask; it may block."""

    def __init__(self, brokers: str, settings: Settings) -> None:
        self._brokers = brokers
        self._settings = settings
        self._sources: dict[tuple[str, int], _Source] = {}

    def of(self, market: str) -> SourcePast:
        """Return the past of a market's source, read up to now.

        Raises:
            TransportError: Kafka does not answer in time.
        """
        exchange = exchange_of(market)
        partition = partition_of(coin_of(market), self._settings.partitions)
        source = self._sources.setdefault((exchange, partition), _Source(exchange))
        with source.lock:
            self._read(source, exchange, partition)
        return source.past

    def _read(self, source: _Source, exchange: str, partition: int) -> None:
        names = [SPREADS.name, exchange_topics(exchange)[1].name]
        full = {topic_name(name, self._settings.namespace): name for name in names}
        # A replay puts days into a minute: when something was produced says nothing.
        is_live = self._settings.source != "none"
        since = int((time.time() - WINDOW_S - LONGEST_HORIZON_S - STEP_S) * 1000)
        places = [
            ReadFrom(name, partition, source.next.get(name, 0), since if is_live else None)
            for name in full
        ]
        with TopicReader(self._brokers, self._settings, _LIMIT_S) as reader:
            for record in reader.read(places):
                source.next[record.topic] = record.offset + 1
                if record.value is None:
                    continue
                try:
                    if full[record.topic] != SPREADS.name:
                        source.past.take_trades(decode_trades(record.value))
                    elif _is_end_of_step(record.key):
                        source.past.take_spreads(_decode.decode(record.value))
                except (RecordError, msgspec.DecodeError):
                    continue  # the gateway's reader of these topics counts and tells it


def _is_end_of_step(key: bytes | None) -> bool:
    """Return whether a record's key, `exchange|partition|as_of`, names the end of a step."""
    return key is not None and int(key.rpartition(b"|")[2]) % STEP_S == 0
