"""What a client may ask for, as it comes."""

from __future__ import annotations

from typing import Any

import msgspec

from services.gateway.items import Format

Id = int | str | None


class _Request(msgspec.Struct, frozen=True, tag_field="op", forbid_unknown_fields=True):
    id: Id = None


class Subscribe(_Request, frozen=True, tag="subscribe", kw_only=True):
    """Values of these keys from now on, or from where `resume` says."""

    channel: str
    keys: list[str]
    interval_ms: int = 0
    resume: dict[str, int | str] = {}
    coins: list[str] | None = None


class Unsubscribe(_Request, frozen=True, tag="unsubscribe", kw_only=True):
    """No more values of these keys."""

    channel: str
    keys: list[str]


class Ping(_Request, frozen=True, tag="ping"):
    """Is anybody there?"""


class Authenticate(_Request, frozen=True, tag="auth", kw_only=True):
    """The key, for clients that cannot send headers."""

    key: str


Request = Subscribe | Unsubscribe | Ping | Authenticate


class BadRequestError(Exception):
    """What came can be read, but is no request; `id` is whose it was."""

    def __init__(self, id: Id, detail: str) -> None:  # noqa: A002 - the field's name
        super().__init__(detail)
        self.id = id


def decode_request(data: str | bytes, form: Format) -> Request:
    """Return the request of a message; text is JSON, also from a client of the other format.

    Raises:
        BadRequestError: it is none of the requests.
        msgspec.DecodeError: it cannot be read at all.
    """
    try:
        request: Request = _decode(data, form, Request)
    except msgspec.ValidationError as error:
        raise BadRequestError(_id_of(data, form), str(error)) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error
    return request


def _id_of(data: str | bytes, form: Format) -> Id:
    whole = _decode(data, form, object)
    found = whole.get("id") if isinstance(whole, dict) else None
    return found if isinstance(found, int | str) else None


def _decode(data: str | bytes, form: Format, kind: Any) -> Any:
    if form == "msgpack" and isinstance(data, bytes):
        return msgspec.msgpack.decode(data, type=kind)
    return msgspec.json.decode(data, type=kind)
