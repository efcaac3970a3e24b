"""The partition of a coin: murmur2 as Kafka's Java client computes it.

Every producer sets the partition itself, so that every client library agrees.
Source: Apache Kafka's `Utils.murmur2`, after Austin Appleby's MurmurHash2.
"""

from __future__ import annotations

from functools import lru_cache

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995


def murmur2(data: bytes) -> int:
    """Return the 32-bit murmur2 hash of `data`, unsigned, with Kafka's seed.

    >>> murmur2(b"BTC") & 0x7FFFFFFF
    904285642
    """
    length = len(data)
    h = (0x9747B28C ^ length) & _MASK
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little")
        k = (k * _M) & _MASK
        k ^= k >> 24
        k = (k * _M) & _MASK
        h = ((h * _M) & _MASK) ^ k
    tail = data[whole:]
    if tail:
        h ^= int.from_bytes(tail, "little")
        h = (h * _M) & _MASK
    h ^= h >> 13
    h = (h * _M) & _MASK
    h ^= h >> 15
    return h


@lru_cache(maxsize=65_536)
def partition_of(coin: str, partitions: int) -> int:
    """Return the partition of `coin` (0 to partitions − 1).

    >>> partition_of("BTC", 8), partition_of("ETH", 8)
    (2, 1)
    """
    return (murmur2(coin.encode()) & 0x7FFFFFFF) % partitions
