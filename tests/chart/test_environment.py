"""What processes are told: settings that exist, and secrets that somebody made."""

from __future__ import annotations

import base64
import json
import re

import pytest

from models.settings import Settings
from services.simulator.urls import simulated_urls
from tests.chart.rendering import (
    CASES,
    containers_of,
    named,
    objects_of,
    of_kind,
    pod_templates,
    settings_of,
)

_GIVEN = {
    "secrets": {("keys-of-mine", "list"), ("coingecko-of-mine", "coingecko-key")},
    "secured": {("line-cluster-ca-cert", "ca.crt"), ("kafka-user", "password")},
    "certified": {
        ("line-cluster-ca-cert", "ca.crt"),
        ("kafka-user", "user.crt"),
        ("kafka-user", "user.key"),
        ("kafka-user", "user.password"),
    },
    "history": {
        ("line-superuser", "username"),
        ("line-superuser", "password"),
        ("line-nodes", "ca.crt"),
        ("line-client", "tls.crt"),
        ("line-client", "tls.key"),
        ("line-client", "tls.password"),
    },
    "archived": {("s3-of-mine", "AWS_ACCESS_KEY_ID"), ("s3-of-mine", "AWS_SECRET_ACCESS_KEY")},
}
each_case = pytest.mark.parametrize("case", CASES)


@each_case
def test_secrets_are_there_or_somebody_elses(case: str) -> None:
    """Every secret that is referred to is in the release or was named in the values."""
    objects = objects_of(case)
    made = {
        (each["metadata"]["name"], key)
        for each in of_kind(objects, "Secret")
        for key in each["data"]
    }
    given = _GIVEN.get(case, set())
    references = [
        (source["name"], source["key"])
        for _, _, spec in pod_templates(objects)
        for container in containers_of(spec)
        for variable in container.get("env", [])
        if (source := variable.get("valueFrom", {}).get("secretKeyRef"))
    ]
    references += [
        (volume["secret"]["secretName"], item["key"])
        for _, _, spec in pod_templates(objects)
        for volume in spec["volumes"]
        if "secret" in volume
        for item in volume["secret"]["items"]
    ]
    assert given <= set(references) <= given | made
    if case in {"trial", "secrets"}:
        assert not made, "a trial needs no secret; a given one is not made again"
    else:
        assert made


def test_the_made_key_is_long_and_kept() -> None:
    """A generated key is a JSON list of one, of 40 letters, and outlives the release."""
    secret = named(objects_of("default"), "Secret", "cointide-api-keys")
    (key,) = json.loads(base64.b64decode(secret["data"]["api-keys"]))
    assert re.fullmatch(r"[A-Za-z0-9]{40}", key)
    assert secret["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


@each_case
def test_every_variable_is_a_setting(case: str) -> None:
    """No COINTIDE_ variable is invented, none is set twice, and all of them can be read."""
    known = {f"COINTIDE_{name.upper()}" for name in Settings.model_fields}
    for name, _, spec in pod_templates(objects_of(case)):
        for container in containers_of(spec):
            variables = [each["name"] for each in container.get("env", [])]
            assert len(variables) == len(set(variables)), name
            ours = {each for each in variables if each.startswith("COINTIDE_")}
            assert ours <= known, name
            values = {
                key.removeprefix("COINTIDE_").lower(): value
                for key, value in settings_of(container).items()
                if key in ours and value is not None
            }
            if "COINTIDE_KAFKA_SASL_PASSWORD" in ours:
                values["kafka_sasl_password"] = "of the secret"
            for secret in ("username", "password"):
                if f"COINTIDE_CASSANDRA_{secret.upper()}" in ours:
                    values[f"cassandra_{secret}"] = "of the secret"
            _read(values)


def test_kafka_is_spoken_to_as_the_values_say() -> None:
    """Certificates are files of mounted secrets, the password comes out of one."""
    for case, protocol in (("secured", "sasl_ssl"), ("certified", "ssl")):
        for name, _, spec in pod_templates(objects_of(case)):
            volumes = {each["name"]: each for each in spec["volumes"]}
            for container in containers_of(spec):
                given = settings_of(container)
                if "COINTIDE_KAFKA_BROKERS" not in given:
                    continue
                assert given["COINTIDE_KAFKA_SECURITY_PROTOCOL"] == protocol, name
                mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
                for variable, path in given.items():
                    if variable.startswith("COINTIDE_KAFKA_SSL") and variable.endswith("_FILE"):
                        folder, _, file = str(path).rpartition("/")
                        items = volumes[mounts[folder]]["secret"]["items"]
                        assert file in {item["path"] for item in items}, name
    (trigger,) = named(objects_of("secured"), "ScaledObject", "cointide-spread")["spec"]["triggers"]
    assert trigger["authenticationRef"] == {"name": "kafka"}


def test_only_who_needs_it_knows_cassandra() -> None:
    """Its writer, the gateway and the Job that makes the schema, with all that lets them in."""
    knowing = set()
    for name, metadata, spec in pod_templates(objects_of("history")):
        volumes = {each["name"]: each for each in spec["volumes"]}
        for container in containers_of(spec):
            given = settings_of(container)
            mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
            if "COINTIDE_CASSANDRA_CONTACT_POINTS" not in given:
                assert not any("CASSANDRA" in variable for variable in given), name
                assert not any("cassandra" in path for path in mounts), name
                continue
            knowing.add(metadata["labels"]["app.kubernetes.io/component"])
            assert given["COINTIDE_CASSANDRA_CONTACT_POINTS"] == (
                "line-dc1-service.k8ssandra:9142,10.2.0.1"
            )
            assert json.loads(given["COINTIDE_CASSANDRA_REPLICATION"] or "") == {"dc1": 3, "dc2": 2}
            assert given["COINTIDE_CASSANDRA_PASSWORD"] is None, "it is in a secret"
            files = {
                variable.removeprefix("COINTIDE_CASSANDRA_SSL_"): str(path)
                for variable, path in given.items()
                if variable.endswith("_FILE")
            }
            assert set(files) == {"CA_FILE", "CERTIFICATE_FILE", "KEY_FILE"}
            for path in files.values():
                folder, _, file = path.rpartition("/")
                items = volumes[mounts[folder]]["secret"]["items"]
                assert file in {item["path"] for item in items}, name
    assert knowing == {"archive-cassandra", "gateway", "schema"}


def test_three_replicas_are_in_the_local_data_centre_unless_more_is_said() -> None:
    """Of a keyspace that the schema's Job makes."""
    pods = pod_templates(objects_of("everything"))
    (schema,) = (spec for name, _, spec in pods if "-schema-" in name)
    (container,) = schema["containers"]
    assert container["args"] == ["archive", "schema", "--wait"]
    given = settings_of(container)["COINTIDE_CASSANDRA_REPLICATION"] or ""
    assert json.loads(given) == {"datacenter1": 3}


def test_only_the_archive_has_the_archives_keys() -> None:
    """The agent, its compaction, and the gateway, which reads; all are told where it is."""
    holders = {
        metadata["labels"]["app.kubernetes.io/component"]
        for _, metadata, spec in pod_templates(objects_of("archived"))
        for container in containers_of(spec)
        if "AWS_SECRET_ACCESS_KEY" in settings_of(container)
        and settings_of(container)["COINTIDE_ARCHIVE_URL"] == "s3://ticks/line"
    }
    assert holders == {"archive", "compaction", "gateway"}


def test_settings_arrive_as_they_were_given() -> None:
    """Lists, large whole numbers and fractions survive Helm and the environment."""
    pod = named(objects_of("everything"), "StatefulSet", "market-line-spread")["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    given = settings_of(container)
    settings = _read(
        {
            key.removeprefix("COINTIDE_").lower(): value
            for key, value in given.items()
            if value is not None
        }
    )
    assert settings.top_coins == 1000
    assert settings.exchanges == ["kraken"]
    assert settings.silence_limit_s == 7.5
    assert settings.fetch_min_bytes == 1_048_576
    assert settings.correlation_tables == ["1h.60s.pearson"]
    assert settings.log_format == "json"
    assert given["COINTIDE_INSTANCE"] is None, "it is the pod's name"


def test_the_trial_points_everything_at_its_simulator() -> None:
    """The addresses are the simulator's own, with the Service's name for loopback."""
    pod = named(objects_of("trial"), "StatefulSet", "cointide-ingestion")["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    given = settings_of(container)
    for name, url in simulated_urls(8100).items():
        expected = url.replace("127.0.0.1", "cointide-simulator")
        assert given[f"COINTIDE_{name.upper()}"] == expected


def _read(values: dict[str, str]) -> Settings:
    with pytest.MonkeyPatch.context() as patch:
        for key, value in values.items():
            patch.setenv(f"COINTIDE_{key.upper()}", value)
        return Settings()
