"""What a new owner finds in the last bursts of its partitions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from agents.ingestion.exchanges.events import Kind
from agents.ingestion.source_state import KINDS, Found
from agents.runtime.topic_reader import read_topics
from models.errors import RecordError
from models.records.bursts import QuoteBurst, TradeBurst, decode_quotes, decode_trades
from models.settings import Settings
from models.topics import topic_name

# A former owner that was taken for dead may still have written after its successor.
_RECORDS_BACK = 16

_DECODERS: dict[Kind, Callable[[bytes | None], QuoteBurst | TradeBurst]] = {
    "quotes": decode_quotes,
    "trades": decode_trades,
}


def find_last_bursts(
    brokers: str, settings: Settings, exchange: str, partitions: Iterable[int]
) -> dict[int, Found]:
    """Return by partition the highest epoch and clock of its last bursts, in both topics.

    A partition without a burst is left out.

    Raises:
        TransportError: Kafka does not answer, or a topic is not there.
    """
    kinds = {topic_name(f"{exchange}_{kind}", settings.namespace): kind for kind in KINDS}
    found: dict[tuple[str, int], tuple[int, int]] = {}
    for record in read_topics(brokers, settings, kinds, list(partitions), _RECORDS_BACK):
        try:
            burst = _DECODERS[kinds[record.topic]](record.value)
        except RecordError:
            continue
        place = record.topic, record.partition
        found[place] = max(found.get(place, (0, 0)), (burst.epoch, burst.clock))
    return _by_partition(found, kinds)


def _by_partition(
    found: Mapping[tuple[str, int], tuple[int, int]], kinds: Mapping[str, Kind]
) -> dict[int, Found]:
    result: dict[int, Found] = {}
    for (topic, partition), (epoch, clock) in found.items():
        kept = result.get(partition)
        clocks = {**(kept.clocks if kept else {}), kinds[topic]: clock}
        result[partition] = Found(max(epoch, kept.epoch if kept else 0), clocks)
    return result
