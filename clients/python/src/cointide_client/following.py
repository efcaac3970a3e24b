"""What a stream's messages mean: no socket and no clock, messages in and events out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cointide_client.errors import StreamRefusedError
from cointide_client.events import Conflated, Event, Gap, NoValue, Status, Subscription, Value

Message = Mapping[str, Any]

EVERY_KEY = "*"
_KEYS_AT_ONCE = 200
_RESUME_S = 840
_REVISIONS = 4_096


class Following:
    """Follows subscriptions over as many connections as it takes.

    Of each key it knows the last `seq`. A value whose `prev_seq` is not above it joins without a
    gap; one whose `seq` is not above it was delivered already.
    """

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        self._subscriptions = list(subscriptions)
        self._last: dict[str, dict[str, int]] = {each.channel: {} for each in subscriptions}
        self._revised: OrderedDict[tuple[str, str, int], str | None] = OrderedDict()

    def requests(self) -> Iterator[dict[str, Any]]:
        """Yield what a new connection is to be asked; what is known already is not asked again."""
        for number, wanted in enumerate(self._subscriptions):
            for keys, resume in self._parts(wanted):
                request: dict[str, Any] = {
                    "op": "subscribe",
                    "id": number,
                    "channel": wanted.channel,
                    "keys": keys,
                }
                if wanted.interval_ms:
                    request["interval_ms"] = wanted.interval_ms
                if wanted.coins is not None:
                    request["coins"] = list(wanted.coins)
                if resume:
                    request["resume"] = resume
                yield request

    def take(self, message: Message) -> Iterator[Event]:
        """Yield what a message tells.

        Raises:
            StreamRefusedError: it refuses a request.
        """
        match message["type"]:
            case "update" | "snapshot":
                yield from self._value(message["channel"], message, message["type"] == "snapshot")
            case "batch":
                for item in message["items"]:
                    yield from self._value(message["channel"], item, is_snapshot=False)
            case "conflated":
                yield Conflated(message["dropped"])
            case "status":
                time = _time(message["ts_event"])
                yield Status(message["key"], message["status"], message["reason"], time)
            case "error":
                raise StreamRefusedError(message["code"], message["detail"])

    def _parts(self, wanted: Subscription) -> Iterator[tuple[list[str], dict[str, int]]]:
        """Yield keys to subscribe together, and where to go on.

        `*` of spreads goes on at one second for all. Of other channels the keys that are known go
        on one by one, before `*`, whose snapshots of them then say nothing new.
        """
        last = self._last[wanted.channel]
        if EVERY_KEY not in wanted.keys:
            known = list(dict.fromkeys(wanted.keys))
        elif wanted.channel == "spreads":
            yield list(wanted.keys), {EVERY_KEY: _common(last)} if last else {}
            return
        else:
            known = sorted(last)
        for begin in range(0, len(known), _KEYS_AT_ONCE):
            part = known[begin : begin + _KEYS_AT_ONCE]
            yield part, {key: last[key] for key in part if key in last}
        if EVERY_KEY in wanted.keys:
            yield list(wanted.keys), {}

    def _value(self, channel: str, item: Message, is_snapshot: bool) -> Iterator[Event]:
        key, seq, data = item["key"], item["seq"], item["data"]
        if seq is None:
            if key not in self._last[channel]:
                yield NoValue(channel, key, dict(item.get("reasons", {})))
        elif item.get("revised", False):
            if self._is_new_revision(channel, item):
                yield Value(channel, key, seq, _time(item["ts_event"]), data, is_revised=True)
        elif is_snapshot and channel == "trades":
            yield from self._trades(key, data["trades"], item["prev_seq"])
        else:
            time = _time(item["ts_event"])
            yield from self._next(
                Value(channel, key, seq, time, data, is_snapshot), item["prev_seq"]
            )

    def _trades(
        self, key: str, trades: Sequence[dict[str, Any]], newest_prev_seq: int | None
    ) -> Iterator[Event]:
        """Yield the trades of a snapshot one by one; before the oldest there may be others."""
        before = newest_prev_seq if len(trades) == 1 else None
        for trade in trades:
            data = {name: value for name, value in trade.items() if name != "seq"}
            value = Value("trades", key, trade["seq"], _time(trade["time"]), data, is_snapshot=True)
            yield from self._next(value, before)
            before = trade["seq"]

    def _next(self, value: Value, prev_seq: int | None) -> Iterator[Event]:
        channel = self._last[value.channel]
        last = channel.get(value.key)
        if last is not None:
            if value.seq <= last:
                return
            if prev_seq is None or prev_seq > last:
                yield Gap(value.channel, value.key, last, value.seq)
        channel[value.key] = value.seq
        yield value

    def _is_new_revision(self, channel: str, item: Message) -> bool:
        """Return whether a revision was not delivered yet: after a resume they may come again."""
        place = channel, item["key"], item["seq"]
        published = item["ts_publish"]
        if self._revised.get(place) == published:
            return False
        self._revised[place] = published
        self._revised.move_to_end(place)
        if len(self._revised) > _REVISIONS:
            self._revised.popitem(last=False)
        return True


def _common(last: Mapping[str, int]) -> int:
    """Return the second from which on no key has missed anything that can still be had."""
    return max(min(last.values()), max(last.values()) - _RESUME_S)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
