"""Runs Kafka by the variables that the official image takes: `KAFKA_LOG_DIRS` is `log.dirs`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_JARS = ["-cp", "/opt/kafka/libs/*"]
_OPTIONS = "KAFKA_HEAP_OPTS"

properties = {
    name.removeprefix("KAFKA_").lower().replace("_", "."): value
    for name, value in os.environ.items()
    if name.startswith("KAFKA_") and name != _OPTIONS
}
path = Path("/tmp/server.properties")
path.write_text("".join(f"{name}={value}\n" for name, value in sorted(properties.items())))
tool = ["java", *_JARS, "kafka.tools.StorageTool", "format", "--ignore-formatted"]
subprocess.run([*tool, "-t", os.environ["CLUSTER_ID"], "-c", str(path)], check=True)
heap = os.environ.get(_OPTIONS, "").split()
os.execvp("java", ["java", *heap, *_JARS, "kafka.Kafka", str(path)])
