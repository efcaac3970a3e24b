"""What cannot work is refused before anything is installed, with a sentence that says why."""

from __future__ import annotations

import helm_python
import pytest

from tests.chart.rendering import DEFAULT, KEDA, TRIAL, Document, merged, of_agents, render


def _security(**values: str) -> Document:
    return {"kafka": {"security": values}}


def _cassandra(**values: object) -> Document:
    return {"cassandra": {"contactPoints": ["a"], **values}}


_ROUTE = {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}}

_SENTENCES: dict[str, tuple[Document, str]] = {
    "no Kafka": ({}, "expected kafka.brokers as [host:port], or trialKafka.enabled to try it out"),
    "two Kafkas": (
        merged(TRIAL, DEFAULT),
        "expected kafka.brokers or trialKafka.enabled, found both",
    ),
    "replicas of one node": (
        merged(TRIAL, {"kafka": {"replication": 3}}),
        "expected kafka.replication 1, as the trial Kafka is one node, was 3",
    ),
    "a hook before its Kafka": (
        merged(TRIAL, {"topics": {"create": "hook"}}),
        "a hook would wait for a Kafka that is not yet installed",
    ),
    "simulated without a simulator": (
        merged(DEFAULT, {"source": "simulated"}),
        "expected simulator.enabled with source `simulated`",
    ),
    "a simulator that is said to be live": (
        merged(DEFAULT, {"simulator": {"enabled": True}}),
        "expected source `simulated` with simulator.enabled, was `live`",
    ),
    "two addresses of an exchange": (
        merged(TRIAL, {"settings": {"kraken_rest_url": "http://127.0.0.1:1"}}),
        "expected no settings.kraken_rest_url with simulator.enabled",
    ),
    "more pods than partitions": (
        merged(DEFAULT, of_agents("spread", maxReplicas=9)),
        "agents.spread.autoscaling.maxReplicas of at most kafka.partitions (8), as further pods",
    ),
    "more fixed pods than partitions": (
        merged(TRIAL, {"agents": {"bars": {"replicas": 5}}}),
        "expected agents.bars.replicas of at most kafka.partitions (4)",
    ),
    "least above most": (
        merged(DEFAULT, of_agents("ingestion", minReplicas=5)),
        "expected agents.ingestion.autoscaling.minReplicas of at most maxReplicas (4), was 5",
    ),
    "least above most of the gateway": (
        merged(DEFAULT, {"gateway": {"autoscaling": {"minReplicas": 7}}}),
        "expected gateway.autoscaling.minReplicas of at most maxReplicas (6), was 7",
    ),
    "KEDA without a lag": (
        merged(KEDA, of_agents("bars", kafkaLag=0)),
        "expected agents.bars.autoscaling.kafkaLag with by `keda`",
    ),
    "KEDA for what has no lag": (
        merged(KEDA, of_agents("ingestion", by="keda", kafkaLag=5)),
        "ingestion reads exchanges, so it has no lag in Kafka to scale by",
    ),
    "an external metric without a name": (
        merged(DEFAULT, of_agents("spread", by="external")),
        "expected agents.spread.autoscaling.external.metric and averageValue",
    ),
    "two ways in": (
        merged(DEFAULT, _ROUTE, {"ingress": {"enabled": True}}),
        "expected ingress.enabled or httpRoute.enabled, found both",
    ),
    "a route to no gateway": (
        merged(DEFAULT, {"httpRoute": {"enabled": True}}),
        "expected httpRoute.parentRefs with httpRoute.enabled",
    ),
    "a certificate for no name": (
        merged(DEFAULT, {"ingress": {"enabled": True, "tlsSecret": "tls"}}),
        "expected ingress.host with ingress.tlsSecret",
    ),
    "an archive without a place": (
        merged(DEFAULT, {"agents": {"archive": {"enabled": True}}}),
        "expected archive.url with agents.archive.enabled",
    ),
    "keys of no archive": (
        merged(DEFAULT, {"archive": {"existingSecret": "s3"}}),
        "expected archive.url with archive.existingSecret",
    ),
    "a store behind a closed port": (
        merged(
            DEFAULT, {"archive": {"url": "s3://a/b?endpoint_override=http://minio:9000&region=x"}}
        ),
        "expected networkPolicy.archivePorts to have the port of archive.url (9000), found 443",
    ),
    "a Prometheus that is not let in": (
        merged(DEFAULT, {"monitoring": {"podMonitor": {"enabled": True}}}),
        "expected networkPolicy.metricsFrom (where Prometheus is) with monitoring.podMonitor",
    ),
    "nowhere to write": (
        merged(DEFAULT, {"agents": {"archive-cassandra": {"enabled": True}}}),
        "expected cassandra.contactPoints with agents.archive-cassandra.enabled",
    ),
    "a user of no Cassandra": (
        merged(DEFAULT, {"cassandra": {"existingSecret": "user"}}),
        "expected cassandra.contactPoints with cassandra.existingSecret or tls.enabled",
    ),
    "no replica where it is read": (
        merged(DEFAULT, _cassandra(replication={"dc2": 3, "dc3": 3})),
        "to have replicas in localDatacenter (datacenter1), found dc2, dc3",
    ),
    "Cassandra's certificate without TLS": (
        merged(DEFAULT, _cassandra(tls={"caSecret": "ca"})),
        "expected cassandra.tls.enabled with caSecret or clientSecret",
    ),
    "a trial with TLS": (
        merged(TRIAL, _security(protocol="ssl")),
        "expected kafka.security.protocol `plaintext` with trialKafka.enabled, was `ssl`",
    ),
    "a certificate without TLS": (
        merged(DEFAULT, _security(caSecret="ca")),
        "expected kafka.security.protocol `ssl` or `sasl_ssl` with caSecret or clientSecret",
    ),
    "a password of no key": (
        merged(DEFAULT, _security(protocol="ssl", keyPasswordKey="user.password")),
        "expected kafka.security.clientSecret with keyPasswordKey",
    ),
    "a password of no key of Cassandra's": (
        merged(DEFAULT, _cassandra(tls={"enabled": True, "keyPasswordKey": "tls.password"})),
        "expected cassandra.tls.clientSecret with keyPasswordKey",
    ),
    "a user without a password": (
        merged(DEFAULT, _security(protocol="sasl_ssl", saslUsername="me")),
        "expected kafka.security.saslUsername and saslSecret with protocol `sasl_ssl`",
    ),
    "a password that nobody asks for": (
        merged(DEFAULT, _security(protocol="ssl", saslSecret="mine")),
        "expected kafka.security.protocol `sasl_plaintext` or `sasl_ssl` with saslUsername",
    ),
    "KEDA without credentials": (
        merged(KEDA, _security(protocol="ssl")),
        "expected kafka.security.kedaAuthentication with agents.bars.autoscaling.by `keda`",
    ),
    "keys that nobody asks for": (
        merged(DEFAULT, {"gateway": {"apiKeys": {"enabled": False, "existingSecret": "mine"}}}),
        "expected gateway.apiKeys.enabled with gateway.apiKeys.existingSecret",
    ),
}

_OUT_OF_SCHEMA: dict[str, tuple[Document, str]] = {
    "unknown key": ({"kafak": {}}, "kafak"),
    "unknown key within": ({"agents": {"spread": {"replica": 1}}}, "replica"),
    "unknown agent": ({"agents": {"spreads": {"enabled": True}}}, "spreads"),
    "unknown setting": ({"settings": {"top_coin": 5}}, "top_coin"),
    "a setting out of its bounds": ({"settings": {"top_coins": 9000}}, "top_coins"),
    "a list that is none": ({"settings": {"exchanges": "kraken"}}, "exchanges"),
    "an exchange that is none": ({"settings": {"exchanges": ["krakn"]}}, "exchanges"),
    "a number that is none": ({"settings": {"silence_limit_s": "soon"}}, "silence_limit_s"),
    "a setting that the chart decides": ({"settings": {"agent_port": 1}}, "agent_port"),
    "a secret among settings": ({"settings": {"coingecko_key": "x"}}, "coingecko_key"),
    "a tag behind the repository": ({"image": {"repository": "r:5000/cointide:1"}}, "repository"),
    "a name that is none": ({"fullnameOverride": "Market_Line"}, "fullnameOverride"),
    "a tag that moves": ({"image": {"tag": "latest"}}, "tag"),
    "no partitions": ({"kafka": {"partitions": 0}}, "partitions"),
    "a broker without a port": ({"kafka": {"brokers": ["kafka"]}}, "brokers"),
    "an unknown source": ({"source": "fake"}, "source"),
    "KEDA for the gateway": ({"gateway": {"autoscaling": {"by": "keda"}}}, "by"),
    "root": ({"securityContext": {"uid": 0}}, "uid"),
    "a drain longer than the setting takes": ({"gateway": {"drainSeconds": 61}}, "drainSeconds"),
    "a number for a word": ({"topicNamespace": 5}, "topicNamespace"),
    "an archive in a folder": ({"archive": {"url": "/data/archive"}}, "url"),
    "resources without memory": (
        {"gateway": {"resources": {"requests": {"memory": None}}}},
        "memory",
    ),
}


@pytest.mark.parametrize("case", _SENTENCES)
def test_a_wrong_combination_is_refused_with_a_sentence(case: str) -> None:
    """Every combination of the list, each with its own sentence."""
    values, sentence = _SENTENCES[case]
    with pytest.raises(helm_python.HelmRenderError) as caught:
        render(values)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("case", _OUT_OF_SCHEMA)
def test_an_unknown_or_wrong_value_is_refused_by_name(case: str) -> None:
    """The schema knows every key and its bounds."""
    values, name = _OUT_OF_SCHEMA[case]
    with pytest.raises(helm_python.HelmValuesError, match=name):
        render(merged(DEFAULT, values))
