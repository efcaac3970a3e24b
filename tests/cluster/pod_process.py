"""A pod as a process of this machine, see `process_node.py`."""

from __future__ import annotations

import datetime
import itertools
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from tests.cluster.api import Document

_LISTENING = ("COINTIDE_AGENT_HOST", "COINTIDE_GATEWAY_HOST", "COINTIDE_SIMULATOR_HOST")
_addresses = itertools.count(1)


class PodProcess:
    """One pod of one container, as a process."""

    def __init__(
        self, pod: Document, folder: Path, command: list[str], environment: dict[str, str]
    ) -> None:
        """Start it, with a folder of its own below this one."""
        self.name: str = pod["metadata"]["name"]
        self.uid: str = pod["metadata"]["uid"]
        self.namespace: str = pod["metadata"]["namespace"]
        (self._container,) = pod["spec"]["containers"]
        ports = self._container.get("ports", [])
        self.port: int = ports[0]["containerPort"] if ports else 0
        self._policy: str = pod["spec"].get("restartPolicy", "Always")
        self.grace_s: float = pod["spec"].get("terminationGracePeriodSeconds", 30)
        number = next(_addresses)
        self.address = f"127.77.{number // 250}.{number % 250 + 1}"
        self._folder = folder / f"{self.name}-{number}"
        self._folder.mkdir(parents=True)
        self.log = self._folder / "log"
        self._environment = {
            **environment,
            **dict.fromkeys(_LISTENING, self.address),
            "COINTIDE_DATA_DIR": str(self._folder / "data"),
        }
        self._command = command
        self.restarts = 0
        self.started_at = now()
        self.stop_at: float | None = None
        self.was_ready = False
        self.changed_at = self.started_at
        self.reported: Document | None = None
        self.process = self._start()

    def step(self) -> None:
        """Start a process again that has ended, where the pod says so; ask whether it is ready."""
        status = self.process.poll()
        is_ready = status is None and self.stop_at is None and self._answers()
        if is_ready != self.was_ready:
            self.was_ready, self.changed_at = is_ready, now()
        if status is None:
            return
        restarts = self._policy == "Always" or (self._policy == "OnFailure" and status != 0)
        if restarts and self.stop_at is None:
            self.restarts += 1
            self.process = self._start()

    def stop(self) -> bool:
        """Ask it to stop, kill it when its time is over, and return whether it has ended."""
        if self.process.poll() is not None:
            return True
        if self.stop_at is None:
            self.stop_at = time.monotonic() + self.grace_s
            self.process.send_signal(signal.SIGTERM)
        elif time.monotonic() > self.stop_at:
            self.process.kill()
        return False

    def status(self) -> Document:
        """Return the pod's status as a kubelet reports it."""
        code = self.process.poll()
        phase = "Running"
        state: Document = {"running": {"startedAt": self.started_at}}
        if code is not None:
            phase = "Failed" if code else "Succeeded"
            state = {"terminated": {"exitCode": abs(code), "startedAt": self.started_at}}
        truth = "True" if self.was_ready else "False"
        conditions = {
            "PodScheduled": "True",
            "Initialized": "True",
            "ContainersReady": truth,
            "Ready": truth,
        }
        container = {
            "name": self._container["name"],
            "image": self._container["image"],
            "imageID": "",
            "ready": self.was_ready,
            "started": True,
            "restartCount": self.restarts,
            "state": state,
        }
        # A Service takes no address of loopback for a pod's; this one stands for it.
        address = self.address.replace("127.", "10.", 1)
        return {
            "phase": phase,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": self.started_at,
            "conditions": [
                {"type": kind, "status": each, "lastTransitionTime": self.changed_at}
                for kind, each in conditions.items()
            ],
            "containerStatuses": [container],
        }

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _answers(self) -> bool:
        probe = self._container.get("readinessProbe")
        if probe is None:
            return True
        address = f"http://{self.address}:{self.port}{probe['httpGet']['path']}"
        try:
            with urllib.request.urlopen(address, timeout=probe["timeoutSeconds"]) as answer:
                return bool(200 <= answer.status < 400)
        except OSError:
            return False


def now() -> str:
    """Return the time as Kubernetes writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
