"""One control plane for the whole run; a namespace for each test, with nothing left in it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.settings import Settings
from tests.cluster import real_node
from tests.cluster.control_plane import BINARIES, STAGES, ControlPlane
from tests.cluster.kafka_on_node import kafka_on
from tests.cluster.real_node import RealNode
from tests.cluster.release import Release, make_namespace
from tests.image.engine import Engine, lacking
from tests.image.prepare import IMAGE, STORAGE, WHY_NOT
from tests.integration.conftest import stack

__all__ = ["stack"]

_ROOT = Path(__file__).resolve().parent.parent.parent
_FOLDER = Path(os.environ.get("COINTIDE_CLUSTER_DIR", _ROOT / ".cluster")).resolve()
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Start a control plane with three pretended nodes; it is ended come what may."""
    needed = [*(f"bin/{name}" for name in BINARIES), STAGES]
    missing = [name for name in needed if not (_FOLDER / name).is_file()]
    if missing:
        reason = (
            f"expected {', '.join(missing)} in {_FOLDER}; `make cluster-test` builds them with Go"
        )
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with ControlPlane(_FOLDER / "bin", tmp_path_factory.mktemp("cluster")) as plane:
        print(f"\ncontrol plane up in {plane.took_s:.1f} s")
        yield plane


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an archive of the project's image, which `tests/image/prepare.py` has built."""
    reason = WHY_NOT.read_text() if WHY_NOT.exists() else lacking()
    if reason is None and not STORAGE.is_dir():
        reason = f"expected images in {STORAGE}; `make cluster-test` makes them"
    if reason is not None:
        pytest.skip(reason)
    archive = tmp_path_factory.mktemp("image") / "cointide.tar"
    with Engine(STORAGE, isolated=False) as engine:
        engine.docker("save", "--output", str(archive), IMAGE, limit_s=300.0)
    return archive


@pytest.fixture(scope="session")
def containers(
    cluster: ControlPlane, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealNode]:
    """Start a real node whose pods are containers; without a kubelet tests are skipped."""
    reason = real_node.lacking(cluster.binaries)
    if reason is not None:
        pytest.skip(reason)
    image: Path = request.getfixturevalue("image")
    with RealNode(cluster, tmp_path_factory.mktemp("node"), image) as node:
        yield node


@pytest.fixture(scope="session")
def kafka_of_containers(
    cluster: ControlPlane,
    containers: RealNode,
    tmp_path_factory: pytest.TempPathFactory,
    jars_dir: Path,
) -> Iterator[Settings]:
    """Start a Kafka that those containers reach, and return settings that lead to it."""
    with kafka_on(cluster, containers.address, tmp_path_factory.mktemp("kafka"), jars_dir) as found:
        yield found


@pytest.fixture
def namespace(cluster: ControlPlane) -> Iterator[str]:
    """Make a namespace that admits only pods of the Pod Security level `restricted`."""
    name = f"test-{next(_numbers)}"
    make_namespace(cluster, name)
    yield name
    cluster.api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def release(cluster: ControlPlane, namespace: str) -> Iterator[Release]:
    """Return the release `cointide`, not yet installed; it is uninstalled at the end."""
    made = Release(cluster, namespace)
    yield made
    made.uninstall()
