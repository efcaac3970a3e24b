"""Requests to Kraken's websocket v2 and the answers to them.

Source: https://docs.kraken.com/api/docs/websocket-v2/book and its neighbours. A request for
several symbols gets one answer for each; a failure leaves the connection as it is.
"""

from __future__ import annotations

from typing import Any

import msgspec

from services.simulator.exchanges.session import iso_time

_DEPTHS = (10, 25, 100, 500, 1_000)
_METHODS = ("subscribe", "unsubscribe")
_TRIGGERS = ("bbo", "trades")
_CHANNELS = frozenset({"ticker", "book", "trade", "instrument"})


class Request(msgspec.Struct):
    """A request as read; `problem` is why it cannot be taken at all."""

    method: str = ""
    req_id: int | None = None
    channel: str = ""
    symbols: list[str] = []
    depth: int = 10
    names_depth: bool = False
    trigger: str = "trades"
    snapshot: bool = True
    problem: str = ""

    @property
    def key(self) -> str:
        """What is subscribed to, parameters included."""
        if self.channel == "book":
            return f"book:{self.depth}"
        return f"ticker:{self.trigger}" if self.channel == "ticker" else self.channel

    def echo(self) -> dict[str, Any]:
        """Return what an answer repeats."""
        return {} if self.req_id is None else {"req_id": self.req_id}

    def shown(self) -> dict[str, Any]:
        """Return the parameters that an acknowledgement shows."""
        shown: dict[str, Any] = {"channel": self.channel}
        if self.channel == "book":
            shown["depth"] = self.depth
        elif self.channel == "ticker":
            shown["event_trigger"] = self.trigger
        return shown | ({"snapshot": self.snapshot} if self.method == "subscribe" else {})


class Wish(msgspec.Struct):
    """What an answer is about: a symbol, and the parameters where it succeeded."""

    symbol: str | None
    shown: dict[str, Any] = {}


def read(text: str) -> Request:
    """Return the request of a message."""
    try:
        message = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Request(problem="Malformed request")
    request = Request(method=str(message.get("method", "")))
    if isinstance(message.get("req_id"), int):
        request.req_id = message["req_id"]
    if request.method == "ping":
        return request
    if request.method not in _METHODS:
        request.problem = "Unsupported method" if request.method else "Malformed request"
        return request
    parameters = message.get("params")
    if isinstance(parameters, dict):
        _read_parameters(request, parameters)
    else:
        request.problem = "Missing params"
    return request


def answer(request: Request, wish: Wish | None, problem: str | None, now: int) -> dict[str, Any]:
    """Return the answer to a request, or to one symbol of it."""
    times = {"time_in": iso_time(now), "time_out": iso_time(now)}
    symbol = {} if wish is None or wish.symbol is None else {"symbol": wish.symbol}
    if problem is not None:
        # A method that is none is not repeated.
        method = {"method": request.method} if request.method in _METHODS else {}
        return {"error": problem, **method, "success": False, **symbol, **request.echo(), **times}
    result = ({} if wish is None else wish.shown) | symbol
    return {"method": request.method, "result": result, "success": True, **request.echo(), **times}


def _read_parameters(request: Request, parameters: dict[str, Any]) -> None:
    request.channel = str(parameters.get("channel", ""))
    if request.channel not in _CHANNELS:
        request.problem = f"Invalid channel {request.channel}".strip()
        return
    snapshot = parameters.get("snapshot")
    request.snapshot = snapshot if isinstance(snapshot, bool) else request.channel != "trade"
    request.trigger = parameters.get("event_trigger", "trades")
    request.names_depth = "depth" in parameters
    request.depth = parameters.get("depth", 10)
    symbols = parameters.get("symbol")
    if request.channel == "book" and request.depth not in _DEPTHS:
        request.problem = "Subscription depth not supported"
    elif request.channel == "ticker" and request.trigger not in _TRIGGERS:
        request.problem = "Event trigger not supported"
    elif request.channel != "instrument":
        if isinstance(symbols, list) and symbols and all(isinstance(s, str) for s in symbols):
            request.symbols = symbols
        else:
            request.problem = "Symbol(s) not found"
