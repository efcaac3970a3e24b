"""Debian's containerd with everything it keeps in one folder, ended with what it has started."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from tests.cluster.control_plane import ControlPlane

PAUSE = "pause:test"
_RESULTS = Path("/var/lib/cni/results")  # where containerd keeps what network plug-ins said
_LIMIT_S = 90.0
_EMPTY_S = 5.0
_COMMAND_LIMIT_S = 600.0


class Containerd:
    """Use it as a context; pods get their network by the plug-ins' configuration in a folder."""

    def __init__(self, cluster: ControlPlane, folder: Path, networks: Path) -> None:
        self.socket = folder / "containerd.sock"
        self._cluster = cluster
        self._folder = folder
        self._networks = networks

    def __enter__(self) -> Containerd:
        """Start it; it has the image that holds a pod's namespaces."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lines = [
            "version = 2",
            f'root = "{self._folder / "images"}"',
            f'state = "{self._folder / "state"}"',
            f'[grpc]\naddress = "{self.socket}"',
            '[plugins."io.containerd.grpc.v1.cri"]',
            f'sandbox_image = "docker.io/library/{PAUSE}"',
            # Without CAP_SYS_RESOURCE no process may be given a score below its parent's.
            "restrict_oom_score_adj = true",
            '[plugins."io.containerd.grpc.v1.cri".cni]',
            f'bin_dir = "{self._cluster.binaries}"',
            f'conf_dir = "{self._networks}"',
        ]
        path = self._folder / "containerd.toml"
        path.write_text("\n".join(lines))
        self._cluster.start("containerd", "--config", str(path), program="containerd")
        try:
            self._cluster.until(self.socket.exists, "containerd to listen", _LIMIT_S)
            pause = self._folder / "pause.tar"
            write_image(pause, PAUSE, self._cluster.binaries / "pause")
            self.import_images(pause)
        except BaseException:
            self._cluster.end("containerd")
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every container, then itself, and unmount what is left of them."""
        try:
            if self._cluster.runs("containerd"):
                self._end_containers()
        finally:
            self._cluster.end("containerd")
            for pid in self._shims():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            unmount_below(self._folder)

    def import_images(self, archive: Path) -> None:
        """Take the images of an archive as `docker save` writes it."""
        self._ctr("images", "import", str(archive))

    def wait_until_empty(self) -> None:
        """Wait a little for the kubelet to take down the pods that were deleted last."""
        deadline = time.monotonic() + _EMPTY_S
        while self._ctr("tasks", "list", "--quiet").split() and time.monotonic() < deadline:
            time.sleep(0.2)

    def _ctr(self, *words: str) -> str:
        return run("ctr", *self._where(), *words)

    def _where(self) -> tuple[str, ...]:
        return "--address", str(self.socket), "--namespace", "k8s.io"

    def _end_containers(self) -> None:
        """End what still runs, with the network namespaces that pods were given."""
        for container in self._ctr("containers", "list", "--quiet").split():
            described = json.loads(self._ctr("containers", "info", container))
            _try("ctr", *self._where(), "tasks", "delete", "--force", container)
            for each in described["Spec"]["linux"]["namespaces"]:
                path = Path(each.get("path", ""))
                if each["type"] == "network" and path.name.startswith("cni-"):
                    _try("umount", str(path))
                    path.unlink(missing_ok=True)
            for left in _RESULTS.glob(f"*{container}*"):
                left.unlink()

    def _shims(self) -> Iterator[int]:
        """Yield the ids of the processes between it and its containers."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    words = (entry / "cmdline").read_text().split("\0")
                    if "shim" in words[0] and str(self.socket) in words:
                        yield int(entry.name)


def run(*words: str) -> str:
    """Run a command of this machine and return what it prints."""
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=_COMMAND_LIMIT_S
    )
    assert done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}: {done.stderr}"
    return done.stdout


def unmount_below(folder: Path) -> None:
    """Unmount everything below a folder, what was mounted last first."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed(mounts):
        if mount.startswith(f"{folder}/"):
            _try("umount", "--lazy", mount)


def write_image(archive: Path, tag: str, program: Path) -> None:
    """Write an image of one static program as `docker load` reads it."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(program, arcname=program.name)
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
    parts = {
        "config.json": json.dumps(config).encode(),
        "layer.tar": layer.getvalue(),
        "manifest.json": json.dumps(manifest).encode(),
    }
    with tarfile.open(archive, "w") as tar:
        for name, content in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def _try(*words: str) -> None:
    subprocess.run(words, capture_output=True, check=False, timeout=60.0)
