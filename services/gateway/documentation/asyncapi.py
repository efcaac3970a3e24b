"""`/asyncapi.json`: the websocket, described."""

from __future__ import annotations

from typing import Any

import msgspec

from services.gateway.documentation import examples
from services.gateway.documentation.schemas import schema_components
from services.gateway.hub import messages
from services.gateway.items import ItemMessage
from services.gateway.memory.memory import CHANNELS
from services.gateway.stream.requests import Authenticate, Ping, Subscribe, Unsubscribe

_REFERENCE = "#/components/schemas/{name}"
_DATA = {"quotes": "Quote", "trades": "Trade", "spreads": "Spread", "feeds": "Feed"}
_ABOUT = """\
Text frames are JSON; with the subprotocol `cointide.msgpack` binary frames are msgpack. \
Authenticate by the header `X-API-Key` or `Authorization: Bearer`, or by a first message `auth` \
within 5 s; else the socket closes with 4401.

After `subscribed` comes one `snapshot` for every key (its `data` is null, `warming`, where there \
is no value yet; that of `trades` is `{"trades": [...]}`), then `update`s. With `*` or several \
keys in a channel, what changes in one step comes as one `batch`. `seq` rises per channel and key \
and is the same on every replica: quotes: burst offset; trades: offset * 65536 + row; spreads: \
`as_of` in seconds; feeds: offset. `prev_seq` is the `seq` that this client was sent before. \
`resume` gives the last `seq` by key (spreads also: `as_of`; for `*` one `as_of`): spreads reach \
back 15 minutes, trades 1,000 of a market, of quotes and feeds the newest is all there is; what \
is too long ago gets a snapshot.

A slow client gets the newest value per key, and `conflated` says how many were left out; one \
that does not take its trades is closed with 1013. `interval_ms` (50 to 60,000; it holds for the \
channel, the last `subscribe` says) asks for the newest per key once an interval. Three malformed \
messages close with 1008, one above 64 KiB with 1009. Rates are not limited yet."""


def asyncapi() -> dict[str, Any]:
    """Return the description."""
    sent = (
        messages.Subscribed, messages.Unsubscribed, messages.Authenticated, messages.Pong,
        messages.Snapshot, messages.EmptySnapshot, messages.Update, messages.Batch,
        messages.Conflated, messages.Heartbeat, messages.Status, messages.Reconnect,
        messages.ErrorMessage,
    )  # fmt: skip
    received = (Subscribe, Unsubscribe, Ping, Authenticate)
    _, schemas = msgspec.json.schema_components(
        [*sent, *received, ItemMessage], ref_template=_REFERENCE
    )
    schemas |= schema_components(_REFERENCE)
    schemas["Batch"]["properties"]["items"]["items"] = {"$ref": "#/components/schemas/ItemMessage"}
    data = {"oneOf": [{"$ref": f"#/components/schemas/{_DATA[name]}"} for name in CHANNELS]}
    for name in ("Snapshot", "Update", "ItemMessage"):
        schemas[name]["properties"]["data"] = data
    named = {kind.__name__: kind for kind in (*sent, *received)}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Cointide", "version": "1", "description": _ABOUT},
        "channels": {
            "stream": {
                "address": "/v1/stream",
                "messages": {
                    name: {"$ref": f"#/components/messages/{name}"} for name in sorted(named)
                },
            }
        },
        "operations": {
            "ask": _operation("receive", received),
            "tell": _operation("send", sent),
        },
        "components": {
            "messages": {
                name: {
                    "payload": {"$ref": f"#/components/schemas/{name}"},
                    **({"examples": [{"payload": _EXAMPLES[name]}]} if name in _EXAMPLES else {}),
                }
                for name in sorted(named)
            },
            "schemas": schemas,
        },
    }


def _operation(action: str, kinds: tuple[type, ...]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/stream"},
        "messages": [{"$ref": f"#/channels/stream/messages/{kind.__name__}"} for kind in kinds],
    }


_EXAMPLES: dict[str, Any] = {
    "Subscribe": {
        "op": "subscribe",
        "id": 1,
        "channel": "spreads",
        "keys": ["kraken:BTC-USD"],
        "resume": {"kraken:BTC-USD": 1795255214},
    },
    "Update": {
        "type": "update",
        "channel": "spreads",
        "key": "kraken:BTC-USD",
        "seq": 1795255215,
        "prev_seq": 1795255214,
        "ts_event": "2026-11-21T10:00:15Z",
        "ts_publish": "2026-11-21T10:00:15.412000Z",
        "data": examples.SPREAD,
    },
}
