"""Runs a supervisor with one stand-in worker, as a process that a test may kill."""

from __future__ import annotations

import sys
from pathlib import Path

from models.settings import Settings
from services.local.stopping import StopWish
from services.local.supervisor import STEP_S, Supervisor
from services.local.workers import Worker

if __name__ == "__main__":
    worker = Worker("stand-in", [sys.executable, str(Path(__file__).with_name("ready_worker.py"))])
    with StopWish() as stop, Supervisor(Settings(), [worker]) as supervisor:
        while not stop.is_asked():
            supervisor.step()
            stop.wait(STEP_S)
