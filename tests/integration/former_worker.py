"""`cointide` as it was before shares were even: Faust's own assignor, with a standby.

A test starts it beside workers of today, as an upgrade does pod by pod.
"""

from __future__ import annotations

from typing import Any

from faust.assignor.partition_assignor import PartitionAssignor

from agents.runtime import app
from models.settings import Settings
from services.cli import main

_settings_of_today = app._faust_settings


def _former_settings(settings: Settings, name: str, brokers: str) -> dict[str, Any]:
    former = {"PartitionAssignor": PartitionAssignor, "table_standby_replicas": 1}
    return _settings_of_today(settings, name, brokers) | former


if __name__ == "__main__":
    app._faust_settings = _former_settings
    main()
