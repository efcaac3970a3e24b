"""API keys: who may ask. Without any, everyone may."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping


class ApiKeys:
    """The keys that are good. Only their digests are kept."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [_digest(key) for key in keys if key]

    @property
    def are_needed(self) -> bool:
        """Whether there are keys at all."""
        return bool(self._digests)

    def name_of(self, key: str) -> str | None:
        """Return a name of a good key that says nothing about it, None of a bad one."""
        return _digest(key).hex() if self._digests and self.allow(key) else None

    def allow(self, key: str | None) -> bool:
        """Return whether this key is good; every key takes equally long."""
        if not self._digests:
            return True
        digest = _digest(key or "")
        return sum(hmac.compare_digest(digest, each) for each in self._digests) > 0


def key_of(headers: Mapping[str, str]) -> str | None:
    """Return the key in a request's headers: `X-API-Key`, else `Authorization: Bearer`."""
    given = headers.get("x-api-key")
    if given is not None:
        return given
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
