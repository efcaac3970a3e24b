"""Something that goes on in a thread of its own for as long as it is entered."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Follower(ABC):
    """`_follow` runs from the entry on, and returns soon once `_ended` is set at the exit."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    @abstractmethod
    def _follow(self) -> None:
        """Go on until `_ended` is set."""
