"""The partition of a coin, as every Kafka client computes it."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import murmur2 as independent_murmur2
from hypothesis import given, settings
from hypothesis import strategies as st

from models.partition import murmur2, partition_of


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=64))
def test_the_hash_is_the_one_of_an_independent_implementation(data: bytes) -> None:
    assert murmur2(data) & 0x7FFFFFFF == independent_murmur2(data) & 0x7FFFFFFF


@pytest.mark.parametrize(
    ("data", "signed"),
    [
        # Apache Kafka, UtilsTest.testMurmur2.
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_of_known_keys_is_kafkas(data: bytes, signed: int) -> None:
    assert murmur2(data) == signed % 2**32


def test_bitcoin_and_ether_lie_where_the_architecture_says() -> None:
    assert (partition_of("BTC", 8), partition_of("ETH", 8)) == (2, 1)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=12), st.integers(1, 1024))
def test_a_partition_is_one_of_those_there_are_and_kafkas_own(coin: str, partitions: int) -> None:
    partition = partition_of(coin, partitions)
    assert 0 <= partition < partitions
    assert partition == (independent_murmur2(coin.encode()) & 0x7FFFFFFF) % partitions
