"""A Docker engine of our own: a daemon on a socket in a folder, ended with everything it mounted.

Debian's `docker.io`, started by hand. In a network namespace of its own nothing that its
containers say leaves this machine, and their published ports lie in that namespace; without one
(to build, which fetches packages) it has no network but the machine's.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

_PROGRAMS = {
    "dockerd": "docker.io",
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "debootstrap": "debootstrap",
    "nsenter": "util-linux",
    "ip": "iproute2",
}
_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 60.0
_TAIL_LINES = 15


class EngineError(RuntimeError):
    """No engine can run here, or a command of it failed; the text says which and how."""


def lacking() -> str | None:
    """Return why no engine can be started here, None if nothing speaks against it."""
    if os.geteuid() != 0:
        return "expected to be root, which starting a Docker engine needs"
    missing = [
        f"{program} (Debian: {package})"
        for program, package in _PROGRAMS.items()
        if shutil.which(program, path=_SYSTEM_PATH) is None
    ]
    return f"expected {', '.join(missing)} on this machine" if missing else None


class Engine:
    """Use it as a context: it answers when that is entered, and is gone at its exit."""

    def __init__(self, storage: Path, *, isolated: bool) -> None:
        """`storage` keeps images from one engine to the next; two must not share it at a time."""
        self._storage = storage
        self._isolated = isolated
        self._namespace = f"cointide-image-{os.getpid()}"
        # A socket's address is at most 107 characters long.
        self._folder = Path(tempfile.mkdtemp(prefix="cointide-engine-"))
        self._log = self._folder / "log"
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which clients find this engine."""
        address = f"unix://{self._folder / 'socket'}"
        # The client of the daemon's own version, which brings its builder along.
        path = f"/usr/bin:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "DOCKER_HOST": address, "DOCKER_BUILDKIT": "1"}

    def __enter__(self) -> Engine:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def run(self, *argv: str, limit_s: float = 120.0) -> str:
        """Return what a command says; it runs in the engine's network and finds the engine.

        Raises:
            EngineError: it failed or did not end within the limit.
        """
        try:
            done = subprocess.run(
                [*self._inside(), *argv],
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EngineError(f"{' '.join(argv)} has not ended after {limit_s:g} s") from error
        if done.returncode:
            raise EngineError(f"{' '.join(argv)} exited with {done.returncode}: {done.stderr}")
        return done.stdout

    def docker(self, *arguments: str, limit_s: float = 120.0) -> str:
        """Return what `docker` says, see `run`."""
        return self.run("docker", *arguments, limit_s=limit_s)

    def has(self, image: str) -> bool:
        """Whether there is an image of this name."""
        return bool(self.docker("images", "--quiet", image).strip())

    def inspect(self, name: str) -> dict[str, Any]:
        """Return what the engine knows of an image or container."""
        (found,) = json.loads(self.docker("inspect", name))
        return dict(found)

    def _inside(self) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self._namespace}"] if self._isolated else []

    def _start(self) -> None:
        self._storage.mkdir(parents=True, exist_ok=True)
        alone = ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"]
        if self._isolated:
            alone = []
            subprocess.run(["ip", "netns", "add", self._namespace], check=True)
            up = [*self._inside(), "ip", "link", "set", "lo", "up"]
            subprocess.run(up, check=True)
        argv = [*self._inside(), "dockerd", "--host", f"unix://{self._folder / 'socket'}"]
        argv += ["--data-root", str(self._storage), "--exec-root", str(self._folder / "exec")]
        argv += ["--pidfile", str(self._folder / "pid"), *alone]
        with self._log.open("wb") as log:
            self._daemon = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
        limit = time.monotonic() + _START_LIMIT_S
        while True:
            try:
                self.docker("info", limit_s=10.0)
            except EngineError as error:
                if self._daemon.poll() is not None or time.monotonic() > limit:
                    said = self._log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
                    raise EngineError(
                        "expected a Docker engine to start, but its log ends with:\n"
                        + "\n".join(said)
                    ) from error
                time.sleep(0.2)
            else:
                return

    def _stop(self) -> None:
        if self._daemon is not None and self._daemon.poll() is None:
            self._daemon.send_signal(signal.SIGTERM)
            try:
                self._daemon.wait(_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        ours = (str(self._folder), str(self._storage))
        for mount in reversed(mounts):
            if mount.startswith(ours):
                subprocess.run(["umount", "--lazy", mount], check=False)
        if Path(f"/run/netns/{self._namespace}").exists():
            subprocess.run(["ip", "netns", "delete", self._namespace], check=False)
        shutil.rmtree(self._folder, ignore_errors=True)
