"""The values are explained, the schema is strict, and both know the product as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from models.settings import Settings
from services.commands import COMMANDS
from services.local.workers import AGENTS
from tests.chart.rendering import CHART, ROOT, Document

_SCHEMA: Document = json.loads((CHART / "values.schema.json").read_text())
_TEXT = (CHART / "values.yaml").read_text()
_VALUES: Document = yaml.safe_load(_TEXT)

_NO_BOUNDS = {"title", "description", "default"}
# What the chart says itself, or what only a stack on one machine needs.
_NOT_FOR_THE_CHART = {
    "agent_host",
    "agent_port",
    "allowed_origins",
    "api_keys",
    "archive_url",
    "cassandra",
    "cassandra_contact_points",
    "cassandra_heap_mb",
    "cassandra_keyspace",
    "cassandra_local_datacenter",
    "cassandra_password",
    "cassandra_port",
    "cassandra_replication",
    "cassandra_ssl",
    "cassandra_ssl_ca_file",
    "cassandra_ssl_certificate_file",
    "cassandra_ssl_check_hostname",
    "cassandra_ssl_key_file",
    "cassandra_ssl_key_password",
    "cassandra_storage_port",
    "cassandra_username",
    "coingecko_key",
    "data_dir",
    "fault_point",
    "gateway_drain_s",
    "gateway_host",
    "gateway_port",
    "instance",
    "jars_dir",
    "kafka_brokers",
    "kafka_controller_port",
    "kafka_heap_mb",
    "kafka_port",
    "kafka_sasl_mechanism",
    "kafka_sasl_password",
    "kafka_sasl_username",
    "kafka_security_protocol",
    "kafka_ssl_ca_file",
    "kafka_ssl_certificate_file",
    "kafka_ssl_check_hostname",
    "kafka_ssl_key_file",
    "kafka_ssl_key_password",
    "markets_refresh_s",
    "namespace",
    "partitions",
    "replication",
    "simulator_host",
    "simulator_port",
    "source",
    "start_timeout_s",
}


def test_every_object_of_the_schema_is_closed() -> None:
    """Each object refuses what it does not know, or is a map of a stated kind."""
    open_ones = [
        path
        for path, node in _nodes(_SCHEMA, "")
        if node.get("type") == "object" and "additionalProperties" not in node
    ]
    # Objects of Kubernetes' own, which its schemas check, and Helm's `global`.
    own = ("podSelector", "namespaceSelector", "ipBlock", "global")
    assert [path for path in open_ones if not path.endswith(own)] == []


def test_every_value_has_its_schema_and_the_other_way_round() -> None:
    """Each key of the schema stands in values.yaml, so it is explained there."""
    assert list(_missing(_VALUES, _SCHEMA, "")) == []


def test_every_line_of_the_values_is_explained() -> None:
    """A comment on the line, or above the first of a block; a bare section is its children's."""
    unexplained = []
    above = ""
    for line in _TEXT.splitlines():
        bare_section = re.fullmatch(r"\s*[A-Za-z-]+:", line)
        explained = "#" in line or above.strip().startswith("#")
        item = line.strip().startswith(("- ", "limits:", "nginx.", "requests:"))
        if line.strip() and not (explained or bare_section or item):
            unexplained.append(line)
        above = line
    assert unexplained == []


def test_the_settings_of_the_chart_are_those_of_the_product() -> None:
    """Every setting can be given under `settings`, apart from what the chart says itself.

    A new setting has to be named in values.schema.json, or in the list above.
    """
    given = set(_SCHEMA["properties"]["settings"]["properties"])
    assert given | _NOT_FOR_THE_CHART == set(Settings.model_fields)
    assert not given & _NOT_FOR_THE_CHART


def test_the_bounds_of_the_settings_are_those_of_the_product() -> None:
    """A setting that a process would refuse is refused before anything is installed."""
    given = _SCHEMA["properties"]["settings"]["properties"]
    declared = Settings.model_json_schema()["properties"]
    for name, schema in given.items():
        expected = {key: each for key, each in declared[name].items() if key not in _NO_BOUNDS}
        if expected["type"] == "number":
            # What `--set` is given with a point in it is a string.
            expected |= {"type": ["number", "string"], "pattern": r"^[0-9]+(\.[0-9]+)?$"}
        assert schema == expected, f"settings.{name} of values.schema.json: {expected}"


def test_every_agent_is_in_the_chart() -> None:
    """What the local stack runs can run on a cluster; what is on by default exists."""
    agents = _VALUES["agents"]
    assert set(AGENTS) <= set(agents)
    assert {name for name, agent in agents.items() if agent["enabled"]} <= set(AGENTS)
    assert {"agent", "gateway", "simulator", "topics", "markets"} <= set(COMMANDS)


def test_chart_and_package_have_one_version() -> None:
    """The chart installs the version that it is part of."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (ROOT / "pyproject.toml").read_text()
    assert f'\nversion = "{chart["appVersion"]}"\n' in project


def _nodes(node: Any, path: str) -> Iterator[tuple[str, Document]]:
    if isinstance(node, dict):
        yield path, node
        for key, child in node.items():
            yield from _nodes(child, f"{path}/{key}")
    elif isinstance(node, list):
        for child in node:
            yield from _nodes(child, path)


def _missing(values: Document, schema: Document, path: str) -> Iterator[str]:
    schema = _followed(schema)
    known = schema.get("properties")
    # Maps, and what may be left out.
    if known is None or path in {"/settings"} or path.endswith(("/requests", "/limits")):
        return
    for key in known.keys() ^ values.keys() ^ ({"global"} if not path else set()):
        yield f"{path}/{key}"
    for key in known.keys() & values.keys():
        if isinstance(values[key], dict):
            yield from _missing(values[key], known[key], f"{path}/{key}")


def _followed(schema: Document) -> Document:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Document = _SCHEMA["$defs"][reference.rpartition("/")[2]]
    return found
