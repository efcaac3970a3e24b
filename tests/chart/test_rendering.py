"""What the chart renders is what Kubernetes takes."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import helm_python
import kubernetes_validate
import pytest
from kubernetes_validate import utils

from tests.chart.rendering import (
    CASES,
    CHART,
    Document,
    objects_of,
    render,
    rendered_files,
    text_of,
)

_VERSIONS = [f"1.{minor}" for minor in range(29, 38)]
# Of operators and extensions: Kubernetes has no schema of them.
_FOREIGN = {
    "keda.sh/v1alpha1",
    "monitoring.coreos.com/v1",
    "gateway.networking.k8s.io/v1",
}


@pytest.fixture(autouse=True, scope="module")
def _schemas_read_once() -> Iterator[None]:
    """The validator reads its schemas anew for every object; here they stay read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "schema_contents", functools.cache(utils.schema_contents))
        yield


@pytest.mark.parametrize("case", CASES)
def test_lint_finds_nothing(case: str) -> None:
    """`helm lint --strict` has nothing to say, apart from the icon that there is none."""
    report = helm_python.lint(CHART, CASES[case], strict=True)
    assert report["errors"] == []
    assert [each["error"] for each in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("version", _VERSIONS)
def test_every_object_fits_its_schema(version: str) -> None:
    """Strictly: a key that Kubernetes does not know is an error in every supported version."""
    distinct = {text_of(each): each for case in CASES for each in objects_of(case)}
    checked = 0
    for document in distinct.values():
        if document["apiVersion"] in _FOREIGN:
            continue
        _validate(document, version)
        checked += 1
    assert checked > 100


def test_a_misspelt_key_would_be_found() -> None:
    """The check above does fail: on a StatefulSet with `replica`."""
    statefulset = next(each for each in objects_of("fixed") if each["kind"] == "StatefulSet")
    broken = {**statefulset, "spec": {**statefulset["spec"], "replica": 1}}
    with pytest.raises(pytest.fail.Exception, match="replica"):
        _validate(broken, _VERSIONS[0])


@pytest.mark.parametrize("case", CASES)
def test_no_two_objects_have_one_name(case: str) -> None:
    """Each kind and name occurs once."""
    names = [(each["kind"], each["metadata"]["name"]) for each in objects_of(case)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("case", ["trial", "archived", "history"])
def test_names_stay_short_enough(case: str) -> None:
    """However long the release's name: 52 letters for what makes further names, 63 for all."""
    for each in render({**CASES[case], "fullnameOverride": "a" * 60}):
        longest = 52 if each["kind"] in {"CronJob", "StatefulSet"} else 63
        assert len(each["metadata"]["name"]) <= longest, each["metadata"]["name"]


def test_the_same_values_render_the_same() -> None:
    """Nothing but the generated API key differs from one rendering to the next."""
    with_own = CASES["secrets"]
    assert rendered_files(with_own) == rendered_files(with_own)


def _validate(document: Document, version: str) -> None:
    name = f"{document['kind']}/{document['metadata']['name']}"
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        pytest.fail(f"{name} in {version}: {error.message}")
    except kubernetes_validate.SchemaNotFoundError as error:
        pytest.fail(f"{name} in {version}: {error.message}")
