"""The image that was built: who it runs as, what is in it and what is not."""

from __future__ import annotations

import json
import re
import time

import pytest
import yaml

from tests.image.engine import Engine, EngineError
from tests.image.prepare import IMAGE, REVISION, ROOT

_RESTRICTED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
_RESTRICTED += ["--tmpfs=/tmp", "--tmpfs=/data:uid=10001,gid=10001"]
_LIMIT_S = 60.0


def _python(engine: Engine, program: str, *options: str) -> str:
    argv = ["run", "--rm", *_RESTRICTED, *options, "--entrypoint", "python", IMAGE]
    return engine.docker(*argv, "-c", program)


def test_it_runs_as_nobody_on_a_read_only_root(engine: Engine) -> None:
    """Uid 10001 may write to its data folder and /tmp, and nowhere else."""
    tried = """
import json, os, pathlib
written = []
for folder in ("/data", "/tmp", "/app", "/opt/cointide", "/etc", "/"):
    try:
        pathlib.Path(folder, "written").write_text("")
        written.append(folder)
    except OSError:
        pass
print(json.dumps([os.getuid(), os.getgid(), written]))
"""
    assert json.loads(_python(engine, tried)) == [10001, 10001, ["/data", "/tmp"]]


def test_even_on_a_writable_root_its_own_code_is_not_its_to_change(engine: Engine) -> None:
    """The packages belong to root."""
    program = "open('/app/services/cli.py', 'a')"
    argv = ["run", "--rm", "--entrypoint", "python", IMAGE, "-c", program]
    with pytest.raises(EngineError, match="PermissionError"):
        engine.docker(*argv)


@pytest.mark.parametrize("program", ["gcc", "cc", "c++", "ld", "make", "node", "npm", "mvn"])
def test_it_has_no_compiler_and_nothing_of_the_stages_before(engine: Engine, program: str) -> None:
    """What builds is not what runs."""
    found = _python(engine, f"import shutil; print(shutil.which({program!r}))")
    assert found.strip() == "None"


def test_its_packages_are_those_of_the_lock(engine: Engine) -> None:
    """The very versions; neither an installer nor anything else beside them."""
    program = """
import importlib.metadata, json, sysconfig
own = importlib.metadata.distributions(path=[sysconfig.get_path("purelib")])
print(json.dumps({each.metadata["Name"]: each.version for each in own}))
"""

    def plain(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    found = json.loads(_python(engine, program))
    installed = {(plain(name), version) for name, version in found.items()}
    text = (ROOT / "requirements.txt").read_text()
    pinned = re.findall(r"(?m)^([\w.-]+)==([^\s;\\]+)", text)
    names = {name for name, _ in installed}
    assert {"faust-streaming", "fastapi", "numpy"} <= names
    assert not {"pip", "setuptools"} & names
    assert installed <= {(plain(name), version) for name, version in pinned}


def test_its_labels_say_what_it_is(engine: Engine) -> None:
    """Version as in the chart, revision as it was given to the build."""
    config = engine.inspect(IMAGE)["Config"]
    chart = yaml.safe_load((ROOT / "helm" / "cointide" / "Chart.yaml").read_text())
    labels = {name.rpartition(".")[2]: text for name, text in config["Labels"].items()}
    assert labels["version"] == chart["appVersion"]
    assert labels["revision"] == REVISION
    assert labels["licenses"] == "MIT"
    assert config["User"] == "10001:10001"


def test_its_modules_are_compiled(engine: Engine) -> None:
    """Nobody may write bytecode later, so that every start would compile anew."""
    program = """
import pathlib
print(sum(1 for each in pathlib.Path("/app").rglob("*.py")
          if not list(each.parent.glob(f"__pycache__/{each.stem}.*.pyc"))))
"""
    assert _python(engine, program).strip() == "0"


def test_the_health_check_tells_a_ready_server_from_one_that_is_not(engine: Engine) -> None:
    """The simulator becomes healthy; an agent without a broker ends with a sentence."""
    name = "health"
    engine.docker("run", "--detach", "--name", name, *_RESTRICTED, IMAGE, "simulator")
    try:
        limit = time.monotonic() + _LIMIT_S
        while (state := engine.inspect(name)["State"])["Health"]["Status"] != "healthy":
            said = engine.docker("logs", name)
            assert state["Running"], said
            assert time.monotonic() < limit, said
            time.sleep(0.5)  # every look starts a client of the engine
    finally:
        engine.docker("rm", "--force", name)
    with pytest.raises(EngineError, match="cointide: expected"):
        engine.docker("run", "--rm", *_RESTRICTED, IMAGE, "agent", "spread")
