"""The wish to stop: Ctrl-C, SIGTERM, or a terminal that is closed."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopWish:
    """Within this context the signals that end a process only note that a stop was asked for.

    So whatever is being done is done in whole, and everything is stopped in its order.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._before: list[signal._HANDLER] = []

    def __enter__(self) -> StopWish:
        """Take over the signals."""
        self._before = [signal.signal(number, self._note) for number in _SIGNALS]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        for number, handler in zip(_SIGNALS, self._before, strict=True):
            signal.signal(number, handler)

    def is_asked(self) -> bool:
        """Return whether a stop was asked for."""
        return self._asked.is_set()

    def wait(self, seconds: float) -> None:
        """Wait so long, or until a stop is asked for."""
        self._asked.wait(seconds)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's form
        self._asked.set()
