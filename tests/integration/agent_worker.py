"""A worker of an agent as a process, and what it says of itself."""

from __future__ import annotations

import signal
import subprocess
import urllib.request

from models.settings import Settings
from services.local.ports import LOOPBACK
from services.local.workers import answers_ready
from tests.integration.commands import ROOT, command, environment
from tests.integration.waiting import tail_of

# What a broker allows at least (group.min.session.timeout.ms).
SESSION_S = 6.0
_STOP_LIMIT_S = 30.0
# A process under load may answer late; one that is not there refuses at once.
_ANSWER_LIMIT_S = 15.0


class AgentWorker:
    """One worker of an agent (spread unless said otherwise), as a process of its own."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        port: int,
        instance: str,
        fault_point: str,
        agent: str = "spread",
        module: str = "services.cli",
    ) -> None:
        """Start it; its log is `logs/NAME.log` in the data folder."""
        self.name = name
        self.agent = agent
        self.port = port
        self.log = settings.data_dir / "logs" / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        own = settings.model_copy(
            update={
                "agent_port": self.port,
                "agent_host": LOOPBACK,
                "instance": instance,
                "fault_point": fault_point,
                "session_timeout_s": SESSION_S,
            }
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command("agent", agent, module=module),
                cwd=ROOT,
                env=environment(own),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def is_alive(self) -> bool:
        """Return whether the process runs (or is stopped by a signal)."""
        return self.process.poll() is None

    def is_ready(self) -> bool:
        """Return whether it says that it is ready."""
        return answers_ready(self.port)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it (SIGKILL) and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.process.wait(_STOP_LIMIT_S)

    def stop(self) -> int:
        """Ask it to stop (SIGTERM), wait until it is gone, return its exit status."""
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"expected {self.name} to stop within {_STOP_LIMIT_S:.0f} s\n{tail_of(self.log)}"
            ) from None

    def metric(self, name: str) -> float:
        """Return a metric by its name with labels as Prometheus shows them; NaN without it."""
        return metric(self.port, name)

    def partitions(self) -> int:
        """Return how many partitions it owns, 0 where it does not say."""
        return owned_partitions(self.port, self.agent)

    def seconds(self) -> float:
        """Return how many seconds it has closed, published and written down."""
        return self.metric(f'cointide_closed_seconds_total{{agent="{self.agent}"}}')


def metric(port: int, name: str) -> float:
    """Return a metric of what listens there; NaN without it, or where nobody answers."""
    try:
        with urllib.request.urlopen(
            f"http://{LOOPBACK}:{port}/metrics", timeout=_ANSWER_LIMIT_S
        ) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return float("nan")
    values = (line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} "))
    return float(next(values, "nan"))


def owned_partitions(port: int, agent: str) -> int:
    """Return how many partitions a worker owns, 0 where it does not say."""
    owned = metric(port, f'cointide_partitions{{agent="{agent}"}}')
    return int(owned) if owned == owned else 0
