"""`/asyncapi.json`: the websocket, described."""

from __future__ import annotations

from typing import Any

import msgspec

from services.gateway.channels import CHANNELS
from services.gateway.documentation import derived_examples, examples
from services.gateway.documentation.schemas import schema_components
from services.gateway.hub import messages
from services.gateway.items import ItemMessage
from services.gateway.stream.requests import Authenticate, Ping, Subscribe, Unsubscribe

_REFERENCE = "#/components/schemas/{name}"
_DATA = {
    "quotes": "Quote", "trades": "Trade", "spreads": "Spread", "feeds": "Feed", "bars": "Bar",
    "indicators": "Indicators", "correlations": "Correlations",
}  # fmt: skip
_ABOUT = """\
Text frames are JSON; with the subprotocol `cointide.msgpack` binary frames are msgpack. \
Authenticate by the header `X-API-Key` or `Authorization: Bearer`, or by a first message `auth` \
within 5 s; else the socket closes with 4401.

After `subscribed` comes one `snapshot` for every key (its `data` is null, `warming`, where there \
is no value yet; that of `trades` is `{"trades": [...]}`), then `update`s. With `*` or several \
keys in a channel, what changes in one step comes as one `batch`. `seq` rises per channel and key \
and is the same on every replica: quotes: burst offset; trades: offset * 65536 + row; spreads: \
`as_of` in seconds; feeds: offset; bars and indicators: start / interval; correlations: `as_of` \
/ step. `prev_seq` is the `seq` that this client was sent before. \
`resume` gives the last `seq` by key (spreads also: `as_of`; for `*` one `as_of`): spreads reach \
back 15 minutes, trades 1,000 of a market, bars and indicators as far as they are held (1,500 of \
1m), correlations 15 minutes (less of a large matrix), of quotes and feeds the newest is all there \
is; what is too long ago gets a snapshot.

Keys of `bars` and `indicators` are `kraken:BTC-USD|1m`; those of `correlations` are tables, \
`1h.pearson` or `1h.60s.pearson`, and `coins` says of which coins the matrix is (`["*"]` of all, \
the top 10 by market value without it; it holds for the channel, the last `subscribe` says). A \
matrix comes when all of its blocks are there.

An update with `"revised": true` takes the place of the bar of that `seq`, which candles of the \
exchange have filled after it was published. It stands outside of the chain: its `prev_seq` is \
null, and the next update follows the last one that was not revised. `resume` repeats those that \
may have come meanwhile. Of a slow client, or with `interval_ms`, only the newest revision of a \
key is kept: REST has them all.

A slow client gets the newest value per key, and `conflated` says how many were left out; one \
that does not take its trades is closed with 1013. `interval_ms` (50 to 60,000; it holds for the \
channel, the last `subscribe` says) asks for the newest per key once an interval. Three malformed \
messages close with 1008, one above 64 KiB with 1009. Connections are limited by key, without one \
by address: one too many is answered with 429 and `Retry-After` before it is a websocket. A page \
of another site than the gateway's and those it allows is refused with 403."""


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
    "Batch": {
        "type": "batch",
        "channel": "bars",
        "items": [
            {
                "key": "kraken:BTC-USD|1m",
                "seq": 29920920,
                "prev_seq": None,
                "ts_event": "2026-11-21T10:01:00Z",
                "ts_publish": "2026-11-21T10:03:00.412000Z",
                "data": derived_examples.BAR,
                "revised": True,
            }
        ],
    },
    "Snapshot": {
        "type": "snapshot",
        "channel": "correlations",
        "key": "1h.pearson",
        "seq": 179525526,
        "prev_seq": 179525525,
        "ts_event": "2026-11-21T10:01:00Z",
        "ts_publish": "2026-11-21T10:01:00.412000Z",
        "data": derived_examples.CORRELATIONS,
    },
}
