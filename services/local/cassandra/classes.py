"""Writes beside the jars the classes of a node as the JVM has loaded and checked them (AppCDS).

A node starts a second earlier with it and takes 150 MB less. `make setup` runs this once; a JVM
that it does not fit goes on without.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from models.errors import StackError
from models.settings import Settings
from services.local.cassandra.node import ARCHIVE, CassandraNode
from services.local.ports import choose_port

_LIMIT_S = 120.0
_POLL_S = 0.1


def write_classes(settings: Settings) -> None:
    """Run a node until it answers, and have its JVM write its classes at the end.

    Raises:
        StackError: Java or the jars are missing, or the node does not start or end within its
            limit.
    """
    target = settings.jars_dir.absolute() / "cassandra" / ARCHIVE
    part = target.with_suffix(".part")
    with tempfile.TemporaryDirectory() as folder:
        ports = [choose_port("cassandra", 0, None, ())]
        ports.append(choose_port("cassandra-storage", 0, None, ports))
        node = CassandraNode(settings.model_copy(update={"data_dir": Path(folder)}), *ports)
        node.prepare()
        target.unlink(missing_ok=True)
        log = Path(folder) / "cassandra.log"
        with log.open("wb") as output:
            argv = node.plan(f"-XX:ArchiveClassesAtExit={part}").argv
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            deadline = time.monotonic() + _LIMIT_S
            while process.poll() is None and not node.is_ready() and time.monotonic() < deadline:
                time.sleep(_POLL_S)
            process.terminate()
            process.wait(_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if not part.exists():
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
            raise StackError(f"expected the JVM to write {target}, but:\n{tail}")
    part.replace(target)


if __name__ == "__main__":
    try:
        write_classes(Settings())
    except StackError as error:
        sys.exit(f"cointide: {error}")
