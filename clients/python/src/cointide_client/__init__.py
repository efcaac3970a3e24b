"""Cointide for data scientists.

`Cointide` reads history and newest figures over REST as pandas frames; `Stream` follows live
figures over the websocket and goes on where it was when a connection is lost.
"""

from cointide_client.client import Cointide
from cointide_client.correlations import CorrelationMatrix
from cointide_client.errors import (
    AnswerError,
    CointideError,
    ConnectionLostError,
    HistoryAwayError,
    MarketError,
    NotFoundError,
    RefusedError,
    StreamRefusedError,
    TimeError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)
from cointide_client.events import (
    Conflated,
    Event,
    Gap,
    NoValue,
    Reconnected,
    Status,
    Subscription,
    Value,
)
from cointide_client.frames import IncompleteWarning
from cointide_client.stream import Stream

__all__ = [
    "AnswerError",
    "Cointide",
    "CointideError",
    "Conflated",
    "ConnectionLostError",
    "CorrelationMatrix",
    "Event",
    "Gap",
    "HistoryAwayError",
    "IncompleteWarning",
    "MarketError",
    "NoValue",
    "NotFoundError",
    "Reconnected",
    "RefusedError",
    "Status",
    "Stream",
    "StreamRefusedError",
    "Subscription",
    "TimeError",
    "TooManyRequestsError",
    "UnauthorizedError",
    "UnavailableError",
    "Value",
]
