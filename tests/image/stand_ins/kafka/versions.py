#!/usr/bin/python3
"""Asks a broker which versions it speaks, as the official image's script of this name does."""

from __future__ import annotations

import socket
import struct
import sys

host, _, port = sys.argv[sys.argv.index("--bootstrap-server") + 1].partition(":")
request = struct.pack(">hhih", 18, 0, 1, -1)  # ApiVersions 0, correlation 1, a client without name
with socket.create_connection((host, int(port)), timeout=5) as connection:
    connection.sendall(struct.pack(">i", len(request)) + request)
    answer = connection.recv(10)
sys.exit(0 if len(answer) == 10 and answer[8:] == b"\0\0" else 1)
