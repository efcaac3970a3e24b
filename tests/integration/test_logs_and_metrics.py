"""What every process says of itself: logs of one JSON object a line, without secrets; metrics."""

from __future__ import annotations

import json
import re
import secrets
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from pydantic import SecretStr

from models.settings import Settings, environment_of
from services.local.ports import LOOPBACK, choose_port
from tests.integration.commands import ROOT, command, environment
from tests.integration.conftest import CreateTopics
from tests.integration.waiting import tail_of, until

_SECRET = secrets.token_hex(16)
_LIMIT_S = 90.0
# Words of a process, the setting of its port, and where it answers when it is ready.
_PROCESSES = {
    "ingestion": (("agent", "ingestion"), "agent_port", "/ready"),
    "spread": (("agent", "spread"), "agent_port", "/ready"),
    "bars": (("agent", "bars"), "agent_port", "/ready"),
    "correlation": (("agent", "correlation"), "agent_port", "/ready"),
    "archive": (("agent", "archive"), "agent_port", "/ready"),
    "gateway": (("gateway",), "gateway_port", "/v1/ready"),
}
_STORE = {"AWS_ACCESS_KEY_ID": _SECRET, "AWS_SECRET_ACCESS_KEY": _SECRET}


def _settings(settings: Settings) -> Settings:
    """Return settings with a secret in every place that may hold one without another's being set.

    Kafka's and Cassandra's passwords are looked for where those are asked for them.
    """
    return settings.model_copy(
        update={
            "log_format": "json",
            "log_level": "debug",
            "api_keys": [SecretStr(_SECRET)],
            "coingecko_key": SecretStr(_SECRET),
        }
    )


def _answer(port: int, path: str) -> str | None:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=5) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError):
        return None


def test_every_process(namespaced: Settings, create_topics_for: CreateTopics) -> None:
    """All of them at once, from start to stop, at the most talkative level."""
    settings = _settings(namespaced)
    assert _SECRET in environment_of(settings)["COINTIDE_API_KEYS"]
    create_topics_for(settings)
    folder = settings.data_dir / "logs"
    folder.mkdir(parents=True)
    processes: dict[str, tuple[subprocess.Popen[bytes], int, Path]] = {}
    try:
        for name, (words, setting, _) in _PROCESSES.items():
            taken = [port for _, port, _ in processes.values()]
            port = choose_port(name, 0, None, taken)
            own = settings.model_copy(update={setting: port})
            path = folder / f"{name}.log"
            with path.open("wb") as log:
                process = subprocess.Popen(
                    command(*words),
                    cwd=ROOT,
                    env={**environment(own), **_STORE},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            processes[name] = process, port, path
        for name, (_, port, path) in processes.items():
            ready = _PROCESSES[name][2]
            until(
                lambda port=port, ready=ready: _answer(port, ready) is not None,  # type: ignore[misc]
                f"{name} to be ready",
                lambda path=path: tail_of(path),  # type: ignore[misc]
                _LIMIT_S,
            )
        for name, (_, port, _) in processes.items():
            metrics = _answer(port, "/metrics") or ""
            named = set(re.findall(r"(?m)^# TYPE (cointide_\w+)", metrics))
            if name == "gateway":
                assert {"cointide_gateway_ready", "cointide_gateway_answer_seconds"} <= named
                assert 'answer_seconds_count{path="/v1/ready"}' in metrics
            else:
                assert {"cointide_partitions", "cointide_lag_records"} <= named
                assert f'cointide_partitions{{agent="{name}"}}' in metrics
            assert _SECRET not in metrics
    finally:
        for process, _, _ in processes.values():
            process.send_signal(signal.SIGTERM)
        codes = {name: process.wait(60) for name, (process, _, _) in processes.items()}
    assert set(codes.values()) == {0}, codes
    for name, (_, _, path) in processes.items():
        lines = path.read_text().splitlines()
        assert lines, name
        for line in lines:
            try:
                said = json.loads(line)
            except ValueError:
                pytest.fail(f"expected {name} to log JSON, was {line!r}")
            assert {"event", "level", "timestamp"} <= set(said), line
            assert _SECRET not in line
