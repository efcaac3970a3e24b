"""`cointide replay FILE…`: frames of captures, with their own times, into Kafka."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from agents.ingestion.captures.merge import merge_captures
from agents.ingestion.handover import find_last_bursts
from agents.ingestion.line import ExchangeLine
from agents.ingestion.replay import Pace, Replay, paced
from models.settings import Settings
from models.topics import DEAD_LETTERS
from services.commands import add_namespace
from services.kafka_access import admitted_brokers
from services.replay.sender import Sender


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("captures", metavar="FILE", type=Path, nargs="+", help="capture to replay")
    parser.add_argument(
        "--speed",
        default="max",
        metavar="max|1|10",
        type=_speed,
        help="times real time, or max (default)",
    )
    add_namespace(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Replay the captures; return when everything is in Kafka."""
    brokers = admitted_brokers(settings)
    partitions = range(settings.partitions)
    replay = Replay(
        settings,
        lambda exchange: find_last_bursts(brokers, settings, exchange, partitions),
    )
    pace = Pace(arguments.speed, time.monotonic_ns, lambda ns: time.sleep(ns / 1e9))
    with Sender(brokers, settings) as sender:
        bursts = 0
        for item in paced(merge_captures(arguments.captures), pace):
            if isinstance(item, int):
                for line in replay.lines.values():
                    line.advance(item)
                    bursts += _send(line, sender)
            else:
                bursts += _send(replay.step(item), sender)
        replay.finish()
        for line in replay.lines.values():
            bursts += _send(line, sender)
    _report(replay, bursts)
    return 0


def _send(line: ExchangeLine, sender: Sender) -> int:
    outgoing = line.drain()
    for burst in outgoing:
        sender.send(burst.topic, burst.partition, burst.key, burst.value)
    for letter in line.dead.drain():
        sender.send(DEAD_LETTERS.name, 0, None, letter)
    return len(outgoing)


def _report(replay: Replay, bursts: int) -> None:
    print(f"replayed {replay.frames} frames as {bursts} bursts")
    for exchange, line in replay.lines.items():
        memory = replay.memories[exchange]
        counts = Counter(line.counts) + Counter(line.dead.counts) + memory.counts
        print(f"{exchange}: " + ", ".join(f"{n} {name}" for name, n in sorted(counts.items())))
        for reason, detail in sorted(line.dead.last_detail.items()):
            print(f"{exchange}: last {reason}: {detail}", file=sys.stderr)
        if memory.guessed_symbols:
            split = ", ".join(f"{a} is {b}" for a, b in sorted(memory.guessed_symbols.items()))
            print(f"{exchange}: no instrument list in the captures, symbols split by name: {split}")


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    speed = float(text)
    if not 0 < speed <= 1000:
        raise argparse.ArgumentTypeError(f"expected max or a number up to 1000, was {text}")
    return speed
