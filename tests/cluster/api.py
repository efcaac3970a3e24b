"""The Kubernetes API, as far as the tests ask it."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.parse
from pathlib import Path
from typing import Any

from tests.cluster.certificates import Certificate

Document = dict[str, Any]
_TIMEOUT_S = 30.0


class ApiError(Exception):
    """The API refused; `status` is that of HTTP."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Api:
    """A client with a certificate; paths are those below the API server's root."""

    def __init__(self, port: int, authority: Path, client: Certificate) -> None:
        self.port = port
        self._context = ssl.create_default_context(cafile=str(authority))
        self._context.load_cert_chain(client.certificate, client.key)
        self._kinds: dict[tuple[str, str], tuple[str, bool]] = {}

    def request(
        self,
        method: str,
        path: str,
        body: Document | None = None,
        content_type: str = "application/json",
    ) -> Any:
        """Return what the API answers: an object, or text where it is no JSON.

        Raises:
            ApiError: it answered with a status of 400 or more.
            OSError: it did not answer.
        """
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=_TIMEOUT_S, context=self._context
        )
        try:
            connection.request(
                method,
                path,
                None if body is None else json.dumps(body),
                {"Content-Type": content_type, "Accept": "application/json"},
            )
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= 400:
            raise ApiError(answer.status, text)
        is_json = "json" in (answer.headers.get("Content-Type") or "")
        return json.loads(text) if is_json else text

    def get(self, path: str) -> Document:
        """Return an object or a list."""
        found: Document = self.request("GET", path)
        return found

    def items(self, path: str) -> list[Document]:
        """Return the objects of a list."""
        found: list[Document] = self.get(path)["items"]
        return found

    def merge(self, path: str, body: Document) -> Document:
        """Change an object by a merge patch."""
        done: Document = self.request("PATCH", path, body, "application/merge-patch+json")
        return done

    def path_of(self, document: Document, namespace: str) -> str:
        """Return the path of the collection that an object of this kind belongs to.

        Raises:
            LookupError: the cluster does not know its kind.
        """
        version, kind = document["apiVersion"], document["kind"]
        if (version, kind) not in self._kinds:
            for each in self.get(_root(version))["resources"]:
                if "/" not in each["name"]:
                    self._kinds[version, each["kind"]] = each["name"], each["namespaced"]
        if (version, kind) not in self._kinds:
            raise LookupError(f"expected a kind of {version}, was {kind}")
        plural, namespaced = self._kinds[version, kind]
        within = f"/namespaces/{namespace}" if namespaced else ""
        return f"{_root(version)}{within}/{plural}"

    def create(self, document: Document, namespace: str = "", **query: str) -> Document:
        """Create an object; `query` is that of the request (`dryRun`, `fieldValidation`)."""
        asked = f"?{urllib.parse.urlencode(query)}" if query else ""
        made: Document = self.request("POST", self.path_of(document, namespace) + asked, document)
        return made

    def delete(self, path: str, **options: object) -> None:
        """Delete an object; one that is not there is none either."""
        try:
            self.request("DELETE", path, options or None)
        except ApiError as error:
            if error.status != 404:
                raise

    def everything_in(self, namespace: str) -> list[tuple[str, str]]:
        """Return kind and name of every object of a namespace, of whatever kind it is."""
        found: list[tuple[str, str]] = []
        groups = self.get("/apis")["groups"]
        versions = ["v1", *(group["preferredVersion"]["groupVersion"] for group in groups)]
        for version in versions:
            try:
                resources = self.get(_root(version))["resources"]
            except ApiError:
                continue  # an aggregated API whose server has ended
            for each in resources:
                if each["namespaced"] and "list" in each["verbs"] and "/" not in each["name"]:
                    path = f"{_root(version)}/namespaces/{namespace}/{each['name']}"
                    found += [(each["kind"], one["metadata"]["name"]) for one in self.items(path)]
        return sorted(found)


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"
