"""The errors of Cointide, one tree below one root.

::

    CointideError
    ├── SettingsError          a setting has a value that cannot be used
    ├── InputError             bad input from outside; the line goes on
    │   ├── FrameError         a frame of an exchange that cannot be read
    │   ├── RecordError        a Kafka record that cannot be decoded
    │   └── CaptureError       a capture file that cannot be replayed
    ├── StackError             the local stack cannot start, or is not there
    ├── TransportError         Kafka did not do what was asked of it
    ├── StoreError             the archive's store cannot be read or written
    └── InvariantError         an invariant of our own is broken; the process stops

Every text says what was expected and what came.
"""

from __future__ import annotations


class CointideError(Exception):
    """Root of everything that Cointide raises on purpose."""


class SettingsError(CointideError):
    """A setting has a value that cannot be used."""


class InputError(CointideError):
    """Bad input from outside. It is counted and told; nothing stops because of it.

    `reason` is the machine-readable word under which it is counted and under which it stands
    in `dead_letters`.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class FrameError(InputError):
    """A frame of an exchange that cannot be read: `malformed_frame` or `unknown_message`."""


class RecordError(InputError):
    """A Kafka record that cannot be decoded: `undecodable_record` or `unknown_schema_version`."""


class CaptureError(InputError):
    """A capture file that cannot be replayed."""


class StackError(CointideError):
    """The local stack cannot start, or a command needs a stack that is not there."""


class TransportError(CointideError):
    """Kafka did not do what was asked of it within its limit."""


class StoreError(CointideError):
    """The archive's store cannot be read or written."""


class InvariantError(CointideError):
    """An invariant of our own is broken: the process stops loudly."""
