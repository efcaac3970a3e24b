"""Structured logs: everything that a process says is one event a line, on standard error."""

from __future__ import annotations

import logging
import sys
from collections import Counter

import structlog

from models.settings import Settings

_REPEATS = 5
_REPEATS_PERIOD_S = 10.0


class RepeatLimit(logging.Filter):
    """Lets a line of a library's code speak only so often.

    aiokafka asks a broker that is away without a pause and tells of every try, tens of thousands
    of lines a minute. What was left out is told with the next line of the same place.
    """

    def __init__(self) -> None:
        super().__init__()
        self._periods: dict[tuple[str, int], int] = {}
        self._said: Counter[tuple[str, int]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is to be written; one of our own always is."""
        if not isinstance(record.msg, str):
            return True
        place, period = (record.pathname, record.lineno), int(record.created / _REPEATS_PERIOD_S)
        if self._periods.get(place) != period:
            left_out = self._said[place] - _REPEATS
            self._periods[place], self._said[place] = period, 0
            if left_out > 0:
                record.msg = f"{record.getMessage()} (and {left_out} times more before)"
                record.args = ()
        self._said[place] += 1
        return self._said[place] <= _REPEATS


def configure_logs(settings: Settings) -> None:
    """Let structlog and the standard library's loggers write in the same form."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper("iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    level = logging.getLevelName(settings.log_level.upper())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    handler = logging.StreamHandler()
    handler.addFilter(RepeatLimit())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # One line for every websocket that opens, and for every request of ours, is too much.
    for name in ("uvicorn.error", "httpx"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
