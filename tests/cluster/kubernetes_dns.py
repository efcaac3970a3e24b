"""The names of Services, as a cluster's DNS answers them: one address by UDP, nothing more."""

from __future__ import annotations

import socket
import struct
from types import TracebackType

from tests.cluster.api import Api, ApiError
from tests.cluster.follower import Follower

DOMAIN = "cluster.local"
_TYPE_A, _CLASS_IN = 1, 1
_RESPONSE, _NAME_ERROR = 0x8580, 3
_TTL_S = 5


class KubernetesDns(Follower):
    """Answers NAME.NAMESPACE.svc.cluster.local while it is entered."""

    def __init__(self, api: Api, address: str) -> None:
        super().__init__()
        self._api = api
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        self._socket.settimeout(0.5)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End."""
        super().__exit__(kind, error, traceback)
        self._socket.close()

    def _follow(self) -> None:
        while not self._ended.is_set():
            try:
                query, asker = self._socket.recvfrom(512)
            except TimeoutError:
                continue
            self._socket.sendto(self._answer(query), asker)

    def _answer(self, query: bytes) -> bytes:
        labels, end = [], 12
        while query[end]:
            labels.append(query[end + 1 : end + 1 + query[end]].decode())
            end += query[end] + 1
        question = query[12 : end + 5]
        kind = struct.unpack(">H", query[end + 1 : end + 3])[0]
        address = self._address_of(labels)
        found = address is not None and kind == _TYPE_A
        flags = _RESPONSE | (0 if address else _NAME_ERROR)
        head = query[:2] + struct.pack(">HHHHH", flags, 1, int(found), 0, 0)
        if not found or address is None:
            return head + question
        record = struct.pack(">HHHIH", 0xC00C, _TYPE_A, _CLASS_IN, _TTL_S, 4)
        return head + question + record + socket.inet_aton(address)

    def _address_of(self, labels: list[str]) -> str | None:
        if len(labels) != 5 or ".".join(labels[2:]) != f"svc.{DOMAIN}":
            return None
        try:
            service = self._api.get(f"/api/v1/namespaces/{labels[1]}/services/{labels[0]}")
        except (ApiError, OSError):
            return None
        address = str(service["spec"].get("clusterIP", "None"))
        return None if address == "None" else address
