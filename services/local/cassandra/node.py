"""The one Cassandra node of the local stack: its files, its command line, readiness."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

from models.settings import Settings
from services.local.java import java_command
from services.local.ports import LOOPBACK
from services.local.processes import ProcessPlan

_STOP_LIMIT_S = 30.0
_PROBE_LIMIT_S = 2.0
_LOGGING = Path(__file__).with_name("logback.xml")
# Version 4 of the native protocol, which every node speaks: no flags, stream 0, no body.
_OPTIONS = b"\x04\x00\x00\x00\x05\x00\x00\x00\x00"
_ANSWER, _SUPPORTED = 0x84, 0x06
_SET_CAPABILITIES, _LOCK_MEMORY = 8, 14
_FOLDERS = ("data", "commitlog", "hints", "saved_caches", "cdc_raw", "triggers", "tmp")
ARCHIVE = "classes.jsa"
"""Beside the jars: the classes of a node as the JVM has loaded and checked them before."""

# What Cassandra's own start script (conf/jvm17-server.options of 5.0) opens to it.
_EXPORTED = (
    "java.base/jdk.internal.misc",
    "java.base/java.lang.ref",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "jdk.unsupported/sun.misc",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.attach/sun.tools.attach",
)
_OPENED = (
    "java.base/java.lang.module",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "java.base/java.io",
    "java.base/java.lang.reflect",
    "java.base/java.lang",
    "java.base/java.util",
    "jdk.management/com.sun.management.internal",
    "jdk.compiler/com.sun.tools.javac",
)


class CassandraNode:
    """The node on two ports of the loopback interface, with its data below one folder."""

    def __init__(self, settings: Settings, port: int, storage_port: int) -> None:
        self._jars_dir = settings.jars_dir / "cassandra"
        self._heap_mb = settings.cassandra_heap_mb
        self._folder = settings.data_dir.absolute() / "cassandra"
        self._port = port
        self._storage_port = storage_port

    @property
    def address(self) -> str:
        """The contact point."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def configuration(self) -> Path:
        """The file of the node's own settings."""
        return self._folder / "cassandra.yaml"

    def prepare(self) -> None:
        """Write the configuration and make the folders that the node expects."""
        for name in _FOLDERS:
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        configuration = node_configuration(self._port, self._storage_port, self._folder)
        # What is JSON is YAML.
        self.configuration.write_text(json.dumps(configuration, indent=2), encoding="utf-8")

    def plan(self, *options: str) -> ProcessPlan:
        """Return how the node is run; `options` are given to the JVM besides its own.

        Raises:
            StackError: Java or the jars are missing.
        """
        java = java_command(self._jars_dir, "Cassandra", *self._options(), *options)
        return ProcessPlan(
            name="cassandra",
            argv=[*_without_locked_memory(), *java, "org.apache.cassandra.service.CassandraDaemon"],
            ready=self.is_ready,
            stop_limit_s=_STOP_LIMIT_S,
        )

    def is_ready(self) -> bool:
        """Return whether the node answers clients."""
        return answers_options(self._port)

    def _options(self) -> list[str]:
        modules = [("--add-exports", each) for each in _EXPORTED]
        modules += [("--add-opens", each) for each in _OPENED]
        temporary = self._folder / "tmp"
        archive = self._jars_dir.absolute() / ARCHIVE
        return [
            *(f"{option}={name}=ALL-UNNAMED" for option, name in modules),
            *([f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []),
            f"-Xms{self._heap_mb}m",
            f"-Xmx{self._heap_mb}m",
            "-Xss512k",
            "-XX:+UseG1GC",
            f"-XX:MaxDirectMemorySize={self._heap_mb // 2}m",
            "-XX:+ExitOnOutOfMemoryError",
            *(f"-D{name}={value}" for name, value in self._properties(temporary).items()),
        ]

    def _properties(self, temporary: Path) -> dict[str, str]:
        return {
            "java.net.preferIPv4Stack": "true",
            "java.io.tmpdir": str(temporary),
            "jna.tmpdir": str(temporary),
            "jdk.attach.allowAttachSelf": "true",
            "io.netty.tryReflectionSetAccessible": "true",
            "logback.configurationFile": _LOGGING.as_uri(),
            "cassandra-foreground": "yes",
            "cassandra.config": self.configuration.as_uri(),
            "cassandra.storagedir": str(self._folder),
            "cassandra.logdir": str(self._folder),
            "cassandra.triggers_dir": str(self._folder / "triggers"),
            # There is no other node to wait for, neither at the start nor at the end.
            "cassandra.skip_wait_for_gossip_to_settle": "0",
            "cassandra.ring_delay_ms": "0",
            "cassandra.superuser_setup_delay_ms": "0",
            "cassandra.load_ring_state": "false",
            "cassandra.shutdown_announce_in_ms": "0",
            # It measures a row's overhead on a hundred thousand of them, for two seconds.
            "cassandra.memtable_row_overhead_computation_step": "100",
        }


def node_configuration(port: int, storage_port: int, folder: Path) -> dict[str, Any]:
    """Return what a node on its own is told, by the names of `cassandra.yaml`.

    A write is on the disk before it is acknowledged: with the default, `periodic`, a killed node
    has been seen to lose what it had acknowledged.
    """
    seeds = {"seeds": f"{LOOPBACK}:{storage_port}"}
    return {
        "cluster_name": "cointide",
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "num_tokens": 1,
        "initial_token": "0",
        "auto_bootstrap": False,
        "listen_address": LOOPBACK,
        "rpc_address": LOOPBACK,
        "storage_port": storage_port,
        "native_transport_port": port,
        "endpoint_snitch": "SimpleSnitch",
        "seed_provider": [
            {"class_name": "org.apache.cassandra.locator.SimpleSeedProvider", "parameters": [seeds]}
        ],
        "data_file_directories": [str(folder / "data")],
        "commitlog_directory": str(folder / "commitlog"),
        "saved_caches_directory": str(folder / "saved_caches"),
        "hints_directory": str(folder / "hints"),
        "cdc_raw_directory": str(folder / "cdc_raw"),
        "commitlog_sync": "batch",
        "commitlog_segment_size": "32MiB",
        "commitlog_total_space": "512MiB",
        "disk_failure_policy": "stop",
        "commit_failure_policy": "stop",
    }


def answers_options(port: int) -> bool:
    """Return whether a node on this port of the loopback interface says what it supports."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_PROBE_LIMIT_S) as connection:
            connection.sendall(_OPTIONS)
            answer = connection.recv(len(_OPTIONS), socket.MSG_WAITALL)
    except OSError:
        return False
    return len(answer) == len(_OPTIONS) and (answer[0], answer[4]) == (_ANSWER, _SUPPORTED)


def _without_locked_memory() -> list[str]:
    """Return what goes before the command: a node that may would lock all of its heap in memory."""
    setpriv = shutil.which("setpriv")
    held = _effective_capabilities()
    if setpriv is None or not held >> _LOCK_MEMORY & 1 or not held >> _SET_CAPABILITIES & 1:
        return []
    return [setpriv, "--bounding-set=-ipc_lock"]


def _effective_capabilities() -> int:
    status = Path(f"/proc/{os.getpid()}/status").read_text()
    return int(
        next(line for line in status.splitlines() if line.startswith("CapEff")).split()[1], 16
    )
