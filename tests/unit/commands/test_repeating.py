"""What a command repeats: its distances, its retries, and that it stops when asked to."""

from __future__ import annotations

import os
import signal

import pytest

from models.errors import CointideError, StoreError, TransportError
from services.commands.repeating import repeat
from services.local.stopping import StopWish


class _Work:
    """Fails as often as told; what it waited is noted, and after `stop_after` waits it is over."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, errors: list[CointideError | None], stop_after: int
    ) -> None:
        self.waits: list[float] = []
        self.calls = 0
        self._errors = errors
        self._stop_after = stop_after
        monkeypatch.setattr(StopWish, "wait", self._wait)

    def __call__(self) -> None:
        error = self._errors[self.calls] if self.calls < len(self._errors) else None
        self.calls += 1
        if error is not None:
            raise error

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        if len(self.waits) == self._stop_after:
            os.kill(os.getpid(), signal.SIGTERM)


def test_what_may_pass_is_tried_again_soon_and_ever_later(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After half a second, then twice as long each time, up to a minute; then as usual."""
    away = [StoreError(f"away {number}") for number in range(9)]
    work = _Work(monkeypatch, [*away, None, StoreError("again")], 11)
    repeat(work, 3600.0, StoreError)
    assert work.waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 3600.0, 0.5]
    told = capsys.readouterr().err.splitlines()
    assert told == [*(f"cointide: {error}" for error in away), "cointide: again"]


def test_a_retry_is_never_later_than_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done every second is tried again after a second at the latest."""
    work = _Work(monkeypatch, [StoreError("away")] * 3, 3)
    repeat(work, 1.0, StoreError)
    assert work.waits == [0.5, 1.0, 1.0]


def test_another_error_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what may pass is waited for."""
    work = _Work(monkeypatch, [TransportError("elsewhere")], 1)
    with pytest.raises(TransportError, match="elsewhere"):
        repeat(work, 1.0, StoreError)


def test_a_stop_that_comes_while_it_works_ends_it_after_this_time() -> None:
    """The signal neither breaks the work off nor lets it begin anew."""
    done: list[str] = []

    def work() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("whole")

    repeat(work, 3600.0, StoreError)
    assert done == ["whole"]
