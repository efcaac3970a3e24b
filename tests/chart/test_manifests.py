"""The plain manifests are the chart."""

from __future__ import annotations

import yaml

from deploy.k8s.manifests import FOLDER, manifests
from tests.chart.rendering import Document, of_kind


def test_the_manifests_are_what_the_chart_renders() -> None:
    """Byte for byte, and no file more; `make k8s` writes them anew."""
    written = {path.name: path.read_text() for path in FOLDER.glob("*.yaml")}
    assert written == manifests(), "run `make k8s`"


def test_nothing_in_them_needs_helm() -> None:
    """No hook, no secret made by chance, no test pod, no label that says Helm."""
    objects: list[Document] = [
        document for text in manifests().values() for document in yaml.safe_load_all(text)
    ]
    assert not of_kind(objects, "Secret", "Pod")
    for each in objects:
        assert "helm" not in str(each["metadata"]).lower()
