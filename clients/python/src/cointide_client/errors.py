"""The errors of this package, one tree below one root.

::

    CointideError
    ├── TimeError               a time without a zone, or that is none (also a ValueError)
    ├── MarketError             a market that is not written as kraken:BTC-USD (also a ValueError)
    ├── ConnectionLostError     the gateway is not reached, or an answer broke off
    ├── StreamRefusedError      the stream does not do what it was asked for
    └── AnswerError             an answer that is a problem (RFC 9457)
        ├── RefusedError            4xx: the request is not good
        ├── NotFoundError           404: it names what is unknown
        ├── UnauthorizedError       401, 403: no good key
        ├── TooManyRequestsError    429: still so after the retries
        └── UnavailableError        5xx: the gateway cannot answer now
            └── HistoryAwayError        history is away; live figures are answered
"""

from __future__ import annotations

from typing import Any


class CointideError(Exception):
    """Root of everything that this package raises on purpose."""


class TimeError(CointideError, ValueError):
    """A time without a zone, or what is no time at all."""


class MarketError(CointideError, ValueError):
    """What is not written as a market, as `kraken:BTC-USD`."""


class ConnectionLostError(CointideError):
    """The gateway is not reached, or an answer broke off before its end."""


class StreamRefusedError(CointideError):
    """The stream refuses a request; `code` is its word for it, as `unknown_key`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class AnswerError(CointideError):
    """An answer that is a problem; `kind` is the last word of its `type`, as `unknown-coin`.

    `retry_after_s` is when the gateway asks to come again, None where it does not say.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        instance: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{status} {title}: {detail}" if detail else f"{status} {title}")
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.instance = instance
        self.retry_after_s = retry_after_s


class RefusedError(AnswerError):
    """The request is not good: an unknown parameter or coin, a range that is none."""


class NotFoundError(AnswerError):
    """The path names something unknown."""


class UnauthorizedError(AnswerError):
    """There is no good key."""


class TooManyRequestsError(AnswerError):
    """There are too many requests, also after waiting as asked."""


class UnavailableError(AnswerError):
    """The gateway cannot answer now."""


class HistoryAwayError(UnavailableError):
    """What keeps history cannot be read now; live figures are answered."""


_BY_STATUS: dict[int, type[AnswerError]] = {
    401: UnauthorizedError,
    403: UnauthorizedError,
    404: NotFoundError,
    429: TooManyRequestsError,
}
_AWAY = "history-away"


def answer_error(status: int, problem: dict[str, Any], retry_after_s: float | None) -> AnswerError:
    """Return the error of an answer; `problem` is empty where its body was none."""
    kind = str(problem.get("type", "")).rpartition(":")[2]
    found = _BY_STATUS.get(status, RefusedError)
    if status >= 500:
        found = HistoryAwayError if kind == _AWAY else UnavailableError
    return found(
        status,
        kind,
        str(problem.get("title", "not as expected")),
        str(problem.get("detail", "")),
        str(problem.get("instance", "")),
        retry_after_s,
    )
