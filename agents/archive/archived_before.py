"""Whether an archive has been, as Kafka knows it: a worker tells it of every hour it archived.

So a process that starts while the archive is away does not take it for one that never was.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from agents.runtime.topic_reader import TopicReader
from models.errors import TransportError
from models.settings import Settings
from models.topics import ARCHIVE_CHANGELOG, topic_name

_LIMIT_S = 5.0
_ASKED_EVERY_S = 10.0


class ArchivedBefore:
    """Asks the changelog of the archive's agent; any thread may call it.

    A yes stays one, a no is asked anew after ten seconds.
    """

    def __init__(
        self, brokers: str, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Ask nothing yet; `clock` in seconds."""
        self._brokers = brokers
        self._settings = settings
        self._clock = clock
        self._was = False
        self._asked = float("-inf")

    def __call__(self) -> bool:
        """Return whether anything was archived.

        Raises:
            ConnectionError: Kafka does not say.
        """
        if self._was or self._clock() - self._asked < _ASKED_EVERY_S:
            return self._was
        name = topic_name(ARCHIVE_CHANGELOG.name, self._settings.namespace)
        try:
            with TopicReader(self._brokers, self._settings, _LIMIT_S) as reader:
                self._was = reader.was_written(name)
        except TransportError as error:
            raise ConnectionError(f"expected to learn whether there was an archive, {error}") from (
                error
            )
        self._asked = self._clock()
        return self._was
