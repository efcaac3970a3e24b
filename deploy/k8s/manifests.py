"""The chart rendered into plain manifests. Needs `helm-python-sdk`, so no `helm` and no cluster."""

from __future__ import annotations

from pathlib import Path

import helm_python
import yaml

FOLDER = Path(__file__).resolve().parent
CHART = FOLDER.parent.parent / "helm" / "cointide"
VALUES = FOLDER.parent / "values.yaml"
RELEASE = NAMESPACE = "cointide"

_HELMS = ("app.kubernetes.io/managed-by: ", "helm.sh/chart: ")
_HEAD = "# Rendered from helm/cointide with deploy/values.yaml by `make k8s`; do not edit.\n"


def manifests() -> dict[str, str]:
    """Return the text of every file by its name.

    Raises:
        helm_python.HelmError: the chart refuses the values, or cannot be rendered.
    """
    values = yaml.safe_load(VALUES.read_text(encoding="utf-8"))
    with helm_python.Chart.load(CHART) as chart:
        rendered = chart.render(values, name=RELEASE, namespace=NAMESPACE)
    prefix = "cointide/templates/"
    return {
        path.removeprefix(prefix): _HEAD + _tidy(text)
        for path, text in sorted(rendered.items())
        if path.endswith(".yaml") and "/tests/" not in path and text.strip()
    }


def _tidy(text: str) -> str:
    """Return documents without Helm's own labels, and without empty lines around them."""
    lines = [line.rstrip() for line in text.splitlines()]
    kept = [line for line in lines if not line.strip().startswith(_HELMS)]
    return "\n".join(kept).strip().removeprefix("---\n") + "\n"
