"""REST: requests that wait when they are asked to, and answers that are whole or an error."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import msgspec

from cointide_client.errors import AnswerError, ConnectionLostError, answer_error

LONGEST_WAIT_S = 60.0
"""A gateway that asks for a longer wait is not waited for."""

_JSON = "application/json"
_FIRST_WAIT_S = 0.5
_WORTH_A_RETRY = (429, 502, 503, 504)


class Transport:
    """One gateway over HTTP; every method raises AnswerError or ConnectionLostError."""

    def __init__(
        self,
        url: str,
        key: str | None,
        timeout_s: float,
        retries: int,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """A request is tried at most `retries` times more; `timeout_s` is without a byte."""
        headers = {} if key is None else {"X-API-Key": key}
        self._client = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout_s)
        self._retries = retries
        self._sleep = sleep

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def json(self, path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return an answer in JSON."""
        with self.answer(path, parameters, _JSON) as response:
            found: dict[str, Any] = msgspec.json.decode(b"".join(response_bytes(response)))
            return found

    @contextlib.contextmanager
    def answer(
        self, path: str, parameters: Mapping[str, Any], accept: str
    ) -> Iterator[httpx.Response]:
        """Open an answer with status 200, whose body is still to be read."""
        given = {name: _text(value) for name, value in parameters.items() if value is not None}
        for tried in range(self._retries + 1):
            with contextlib.ExitStack() as stack:
                try:
                    response = stack.enter_context(
                        self._client.stream("GET", path, params=given, headers={"Accept": accept})
                    )
                    error = _error(response)
                except httpx.TransportError as lost:
                    if tried == self._retries or isinstance(lost, httpx.UnsupportedProtocol):
                        raise ConnectionLostError(
                            f"expected an answer of {self._client.base_url}, {lost!r}"
                        ) from lost
                    error = None
                    response = None
                if response is not None and error is None:
                    yield response
                    return
            if error is not None and not self._is_worth_it(error, tried):
                raise error
            self._sleep(_wait_s(error, tried))

    def _is_worth_it(self, error: AnswerError, tried: int) -> bool:
        return (
            tried < self._retries
            and error.status in _WORTH_A_RETRY
            and (error.retry_after_s or 0.0) <= LONGEST_WAIT_S
        )


def response_bytes(response: httpx.Response) -> Iterator[bytes]:
    """Yield the body of an answer.

    Raises:
        ConnectionLostError: it broke off.
    """
    try:
        yield from response.iter_bytes()
    except httpx.TransportError as error:
        raise ConnectionLostError(f"expected the rest of an answer, {error!r}") from error


class ByteReader(io.RawIOBase):
    """Parts of a body as a file that can be read once; `tail` is what came last."""

    def __init__(self, parts: Iterator[bytes], tail_bytes: int) -> None:
        self._parts = parts
        self._rest = memoryview(b"")
        self._tail_bytes = tail_bytes
        self.tail = b""

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as there is something; 0 at the end."""
        while not self._rest:
            part = next(self._parts, None)
            if part is None:
                return 0
            self.tail = (self.tail + part)[-self._tail_bytes :]
            self._rest = memoryview(part)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _error(response: httpx.Response) -> AnswerError | None:
    if response.status_code == 200:
        return None
    problem: dict[str, Any] = {}
    with contextlib.suppress(msgspec.DecodeError):
        found = msgspec.json.decode(response.read())
        problem = found if isinstance(found, dict) else {}
    wait_s = retry_after_s(response.headers.get("Retry-After"), response.headers.get("Date"))
    return answer_error(response.status_code, problem, wait_s)


def retry_after_s(text: str | None, date: str | None = None) -> float | None:
    """Return the seconds of a `Retry-After` (RFC 9110 §10.2.3), None where it says none.

    A time is measured from the answer's own `Date`, so no clock of ours takes part.

    >>> retry_after_s("3"), retry_after_s("soon")
    (3.0, None)
    """
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(date or "")
    except (ValueError, TypeError):
        return None
    return max(0.0, wait.total_seconds())


def _wait_s(error: AnswerError | None, tried: int) -> float:
    if error is not None and error.retry_after_s is not None:
        return error.retry_after_s
    return min(_FIRST_WAIT_S * 2.0**tried, LONGEST_WAIT_S)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
