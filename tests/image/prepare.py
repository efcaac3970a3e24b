"""What `make image-test` does before its tests: base images, our image, and Compose.

There is no registry to pull from, so what the Dockerfile and compose.yaml build on is made of
Debian's packages and of Kafka's jars, under the same names. Nothing of that goes anywhere else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from tests.image.engine import Engine, EngineError, lacking

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "build" / "image"
STORAGE = FOLDER / "engine"
WHY_NOT = FOLDER / "why-not"
COMPOSE = FOLDER / "docker-compose"
COMPOSE_FILE = ROOT / "docker" / "compose.yaml"
IMAGE = "cointide:0.1.0"
REVISION = "image-test"

_STAND_INS = Path(__file__).parent / "stand_ins"
_PYTHON, _NODE = "python:3.11-slim-bookworm", "node:22-bookworm-slim"
_INCLUDED = "python3,python3-venv,python3-pip,ca-certificates"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_COMPOSE_MODULE, _COMPOSE_VERSION = "github.com/docker/compose/v2", "v2.40.3"
_GO_BUILD = ("go", "build", "-mod=mod", "-trimpath", "-ldflags=-s -w")
_BUILD_LIMIT_S = 3600.0


def main() -> int:
    """Prepare what can be prepared; tests skip with the reason where that is nothing."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    WHY_NOT.unlink(missing_ok=True)
    reason = lacking()
    if reason is None:
        try:
            with Engine(STORAGE, isolated=False) as engine:
                _bases(engine)
                _ours(engine)
        except EngineError as error:
            if "expected a Docker engine to start" not in str(error):
                print(error, file=sys.stderr)
                return 1
            reason = str(error)
    if reason is not None:
        WHY_NOT.write_text(reason)
        print(f"no image is built: {reason}", file=sys.stderr)
        return 0
    _compose()
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


def _bases(engine: Engine) -> None:
    if not engine.has(_PYTHON):
        _say(f"making {_PYTHON} of Debian's packages")
        _import_debian(engine)
    images = {name: each["image"] for name, each in _services().items()}
    built = (
        ("node", _NODE),
        ("java", "stand-in/java"),
        ("kafka", images["kafka"]),
        ("prometheus", images["prometheus"]),
    )
    for folder, tag in built:
        if engine.has(tag):
            continue
        _say(f"making {tag}")
        with tempfile.TemporaryDirectory() as context:
            shutil.copytree(_STAND_INS / folder, context, dirs_exist_ok=True)
            if folder == "kafka":
                shutil.copytree(ROOT / ".jars" / "kafka", Path(context) / "jars")
            _build(engine, tag, context)


def _services() -> dict[str, dict[str, str]]:
    return dict(yaml.safe_load(COMPOSE_FILE.read_text())["services"])


def _import_debian(engine: Engine) -> None:
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        root = Path(folder) / "root"
        argv = ["debootstrap", "--variant=minbase", f"--include={_INCLUDED}", "bookworm", str(root)]
        with (FOLDER / "debootstrap.log").open("wb") as log:
            subprocess.run(argv, stdout=log, stderr=log, check=True, timeout=_BUILD_LIMIT_S)
        # As in the official image `python` is python 3; whom this machine trusts, its builds do.
        (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        if Path(_CERTIFICATES).exists():
            shutil.copy(_CERTIFICATES, root / _CERTIFICATES.lstrip("/"))
        names = ("PIP_CERT", "NODE_EXTRA_CA_CERTS", "NPM_CONFIG_CAFILE")
        trust = " ".join(f"{name}={_CERTIFICATES}" for name in names)
        packed = Path(folder) / "root.tar"
        subprocess.run(["tar", "-C", str(root), "-cf", str(packed), "."], check=True)
        engine.docker("import", "--change", f"ENV {trust}", str(packed), _PYTHON, limit_s=600.0)


def _ours(engine: Engine) -> None:
    _say(f"building {IMAGE}")
    arguments = ["--file", str(ROOT / "docker" / "Dockerfile")]
    arguments += ["--build-arg", f"REVISION={REVISION}"]
    _build(engine, IMAGE, str(ROOT), *arguments)


def _build(engine: Engine, tag: str, context: str, *arguments: str) -> None:
    # Packages are fetched by the machine's own network.
    argv = ["build", "--network", "host", "--tag", tag, *arguments, context]
    engine.docker(*argv, limit_s=_BUILD_LIMIT_S)


def _compose() -> None:
    """Build Compose, as Debian's is too old to read what it is given; without Go there is none."""
    if COMPOSE.exists() or shutil.which("go") is None:
        return
    _say("building Compose (some minutes)")
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        fetched = subprocess.run(
            ["go", "mod", "download", f"{_COMPOSE_MODULE}@{_COMPOSE_VERSION}"],
            cwd=here,
            check=False,
        )
        modules = subprocess.run(
            ["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True
        ).stdout.strip()
        stated = f"cache/download/{_COMPOSE_MODULE}/@v/{_COMPOSE_VERSION}.mod"
        if fetched.returncode:
            return
        # A module of its own with the same requirements: `go install` refuses its exclusions.
        text = (Path(modules) / stated).read_text()
        own = text.replace(f"module {_COMPOSE_MODULE}", "module cointide/compose", 1)
        (here / "go.mod").write_text(f"{own}\nrequire {_COMPOSE_MODULE} {_COMPOSE_VERSION}\n")
        (here / "go.sum").write_text(_sums(Path(modules)))
        subprocess.run(
            [*_GO_BUILD, "-o", str(COMPOSE), f"{_COMPOSE_MODULE}/cmd"],
            cwd=here,
            env={**os.environ, "CGO_ENABLED": "0"},
            check=True,
            timeout=_BUILD_LIMIT_S,
        )


def _sums(modules: Path) -> str:
    return (modules / f"{_COMPOSE_MODULE}@{_COMPOSE_VERSION}" / "go.sum").read_text()


if __name__ == "__main__":
    sys.exit(main())
