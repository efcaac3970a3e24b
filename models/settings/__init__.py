"""Every setting of Cointide: declared once, typed, documented, with an environment name.

A field `kafka_brokers` is read from `COINTIDE_KAFKA_BROKERS`. Each area has a module;
`docs/settings.md` lists all settings, and a test fails when one is missing there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from models.settings.agents import AgentSettings
from models.settings.cassandra import CassandraSettings
from models.settings.gateway import GatewaySettings
from models.settings.group import ENVIRONMENT_PREFIX, variable_of
from models.settings.kafka import KafkaSettings
from models.settings.sources import SourceSettings

__all__ = ["ENVIRONMENT_PREFIX", "Settings", "environment_of"]


class Settings(AgentSettings, GatewaySettings, SourceSettings, CassandraSettings, KafkaSettings):
    """The settings of one process, read from the environment.

    Raises:
        pydantic.ValidationError: a variable holds a value outside its type or bounds.
    """

    data_dir: Path = Field(
        Path(".data"), description="Folder that holds everything a local stack writes."
    )
    jars_dir: Path = Field(
        Path(".jars"), description="Folder of the Java parts that `make setup` fetched."
    )
    namespace: str = Field(
        "",
        pattern=r"^[a-zA-Z0-9_-]*$",
        description="Prefix of every topic and consumer group; empty is the live line.",
    )
    start_timeout_s: float = Field(
        120.0, gt=0, description="How long the local stack may take to become ready."
    )

    # Logs
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe level that is logged."
    )
    log_format: Literal["json", "console"] = Field(
        "console", description="`json` for a cluster, `console` for people."
    )


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the variables from which another process reads the same settings.

    >>> environment_of(Settings(partitions=2))["COINTIDE_PARTITIONS"]
    '2'
    """
    values = settings.model_dump(mode="json")
    for name in values:
        secret = getattr(settings, name)
        if isinstance(secret, SecretStr):
            values[name] = secret.get_secret_value()
        elif isinstance(secret, list) and any(isinstance(each, SecretStr) for each in secret):
            values[name] = [each.get_secret_value() for each in secret]
    return {
        variable_of(name): value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }
