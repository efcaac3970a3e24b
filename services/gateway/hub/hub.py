"""The hub: who wants what, and how a change reaches them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from models.times import iso_microseconds
from services.gateway.channels import market_keys
from services.gateway.hub.audience import EVERY_KEY, Audience, Schedule, ThrottledAudience, Wish
from services.gateway.hub.client import Client, Tally
from services.gateway.hub.held import Beside, at_once
from services.gateway.hub.messages import Heartbeat, Message, Status, frame
from services.gateway.items import Format, Item

_Identity = tuple[str, Wish, Format]


class _Channel(msgspec.Struct):
    """The audiences of one channel: by the keys they want, and those that want all."""

    by_key: dict[str, dict[Audience, None]] = {}
    of_all: dict[Audience, None] = {}

    def add(self, audience: Audience) -> None:
        if audience.wish.wants_all:
            self.of_all[audience] = None
            return
        for key in audience.wish.keys:
            self.by_key.setdefault(key, {})[audience] = None

    def remove(self, audience: Audience) -> None:
        self.of_all.pop(audience, None)
        for key in audience.wish.keys:
            listeners = self.by_key.get(key)
            if listeners is not None:
                listeners.pop(audience, None)
                if not listeners:
                    del self.by_key[key]

    def listeners(self, keys: Iterable[str]) -> dict[Audience, None]:
        found = dict(self.of_all)
        for key in keys:
            found.update(self.by_key.get(key, {}))
        return found


class Hub:
    """Clients and their audiences. `schedule` plans a call, for clients with an interval."""

    def __init__(self, schedule: Schedule, beside: Beside = at_once) -> None:
        """What takes long to serialise is done `beside`."""
        self.beside = beside
        self.clients: dict[Client, dict[str, Audience]] = {}
        self.tally = Tally()
        self._schedule = schedule
        self._channels: dict[str, _Channel] = {}
        self._audiences: dict[_Identity, Audience] = {}

    def join(self, client: Client) -> None:
        """Let a client in; it wants nothing yet."""
        self.clients[client] = {}

    def leave(self, client: Client) -> None:
        """Forget a client."""
        for channel in list(self.clients.get(client, ())):
            self._part(client, channel)
        self.clients.pop(client, None)

    def wish(self, client: Client, channel: str) -> Wish:
        """Return what a client wants of a channel."""
        audience = self.clients[client].get(channel)
        return Wish(frozenset()) if audience is None else audience.wish

    def subscribe(
        self,
        client: Client,
        channel: str,
        keys: Iterable[str],
        interval_ms: int,
        coins: tuple[str, ...] | None = None,
    ) -> None:
        """Add keys to what a client wants; interval and coins hold for all of the channel."""
        wish = Wish(self.wish(client, channel).keys | set(keys), interval_ms, coins)
        self._move(client, channel, wish)

    def unsubscribe(self, client: Client, channel: str, keys: Iterable[str]) -> None:
        """Take keys from what a client wants; `*` takes all."""
        before = self.wish(client, channel)
        gone = set(keys)
        left = frozenset() if EVERY_KEY in gone else before.keys - gone
        self._move(client, channel, Wish(left, before.interval_ms, before.coins))

    def publish(self, channel: str, items: Sequence[Item]) -> None:
        """Send new values of a channel to everyone who wants them."""
        audiences = self._channels.get(channel)
        if audiences is None or not items:
            return
        for audience in audiences.listeners(item.key for item in items):
            audience.publish(items)

    def tell_status(self, market: str, status: str, reason: str | None, ts_event: int) -> None:
        """Tell everyone who has subscribed to a market, on whatever channel, how it stands."""
        message = Status("feeds", market, status, reason, iso_microseconds(ts_event))
        listeners = {
            client: None
            for channel in self._channels.values()
            for audience in channel.listeners(market_keys(market))
            for client in audience.clients
        }
        self._send(message, listeners)

    def beat(self, now: int) -> None:
        """Tell every client that keeps up that its line is open; `now` is in nanoseconds."""
        self._send(Heartbeat(iso_microseconds(now)), [c for c in self.clients if not c.is_behind])

    def tell_all(self, message: Message) -> None:
        """Send a message to every client."""
        self._send(message, list(self.clients))

    def _send(self, message: Message, clients: Iterable[Client]) -> None:
        shared: dict[Format, bytes] = {}
        for client in clients:
            if client.form not in shared:
                shared[client.form] = frame(message, client.form)
            client.deliver(shared[client.form], message)

    def _move(self, client: Client, channel: str, wish: Wish) -> None:
        self._part(client, channel)
        if not wish.keys:
            return
        audience = self._audience(channel, wish, client.form)
        audience.clients[client] = None
        self.clients[client][channel] = audience

    def _audience(self, channel: str, wish: Wish, form: Format) -> Audience:
        audiences = self._channels.setdefault(channel, _Channel())
        if wish.interval_ms:
            # Of its own: its values wait since other times than anybody else's.
            throttled = ThrottledAudience(channel, wish, form, self._schedule, self.beside)
            audiences.add(throttled)
            return throttled
        audience = self._audiences.get((channel, wish, form))
        if audience is None or audience.is_busy:
            audience = Audience(channel, wish, form, self.beside)
            self._audiences[channel, wish, form] = audience
            audiences.add(audience)
        return audience

    def _part(self, client: Client, channel: str) -> None:
        audience = self.clients.get(client, {}).pop(channel, None)
        if audience is None:
            return
        audience.leave(client)
        if not audience.clients:
            self._channels[channel].remove(audience)
            identity = channel, audience.wish, audience.form
            if self._audiences.get(identity) is audience:
                del self._audiences[identity]
