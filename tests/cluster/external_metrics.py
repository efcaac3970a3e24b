"""A metrics adapter: one external metric whose value a test sets."""

from __future__ import annotations

import base64
import datetime
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from services.local.ports import LOOPBACK
from tests.cluster.api import Document
from tests.cluster.certificates import Authority
from tests.cluster.control_plane import ControlPlane

_VERSION = "external.metrics.k8s.io/v1beta1"
_NAME = "v1beta1.external.metrics.k8s.io"
_SERVICE = "external-metrics"
_HOST = f"{_SERVICE}.default.svc"


class ExternalMetrics:
    """Every external metric that is asked for has the value `value`.

    Use it as a context: the cluster's API server hands such requests on to it meanwhile.
    """

    def __init__(self, cluster: ControlPlane, folder: Path) -> None:
        self.value = 0
        self.asked: set[str] = set()
        self._cluster = cluster
        folder.mkdir(parents=True, exist_ok=True)
        authority = Authority(folder, "metrics-authority")
        own = authority.issue("external-metrics", hosts=(_HOST,))
        self._authority = authority.certificate
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own.certificate, own.key)
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> ExternalMetrics:
        """Register it and wait until the API server reaches it."""
        self._thread.start()
        port = self._server.server_address[1]
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": _SERVICE},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        }
        registration = {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": _NAME},
            "spec": {
                "group": "external.metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "caBundle": base64.b64encode(self._authority.read_bytes()).decode(),
                "service": {"namespace": "default", "name": _SERVICE, "port": port},
            },
        }
        api = self._cluster.api
        api.create(service, "default")
        api.create(registration)
        self._cluster.until(
            lambda: bool(api.get(f"/apis/{_VERSION}")["resources"] == []), "the external metrics"
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take it back and end the server."""
        api = self._cluster.api
        api.delete(f"/apis/apiregistration.k8s.io/v1/apiservices/{_NAME}")
        api.delete(f"/api/v1/namespaces/default/services/{_SERVICE}")
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str) -> Document:
        """Return what the API of external metrics says below its version, or that it is there."""
        if "/namespaces/" not in path:
            return {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": _VERSION,
                "resources": [],
            }
        metric = path.partition("?")[0].rpartition("/")[2]
        self.asked.add(metric)
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        value = {
            "metricName": metric,
            "metricLabels": {},
            "timestamp": now,
            "value": str(self.value),
        }
        return {
            "kind": "ExternalMetricValueList",
            "apiVersion": _VERSION,
            "metadata": {},
            "items": [value],
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:  # the name is http.server's
                body = json.dumps(outer.answer(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
