"""The line over TLS and SASL, and what a process says that Kafka does not let in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import SettingsError, TransportError
from models.settings import Settings
from services.kafka_access import admitted_brokers, check_access
from services.local.ports import LOOPBACK
from services.local.supervisor import Supervisor
from tests.burst_log import MADE_CAPTURES
from tests.integration.commands import cointide
from tests.integration.gateway import GatewayProcess
from tests.integration.line import Line
from tests.integration.secured_kafka import USER, Authority, SecuredKafka

_CAPTURE = next(path for path in MADE_CAPTURES if path.name.startswith("coinbase"))
_WRONG = "not-the-password"


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory, jars_dir: Path) -> Iterator[SecuredKafka]:
    """Start one broker for this module."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("secured"), jars_dir=jars_dir)
    with SecuredKafka(settings) as kafka:
        yield kafka


@pytest.mark.parametrize("guard", ["certificate", "password"])
def test_the_line_runs_as_without_security(kafka: SecuredKafka, guard: str) -> None:
    """Topics, replay, agent, lag, tail and gateway: the series is the oracle's.

    No secret is printed, nor does one stand in the arguments of a process.
    """
    settings = (
        kafka.by_certificate(namespace=guard)
        if guard == "certificate"
        else kafka.by_password("SCRAM-SHA-512", namespace=guard)
    )
    with Line(settings) as line:
        worker = line.start_worker()
        line.replay(_CAPTURE)
        line.wait_until_done()
        line.assert_series([_CAPTURE])
        lag = cointide(settings, "lag")
        assert lag.returncode == 0, lag.stderr
        rows = lag.stdout.splitlines()[1:]
        assert {row.split()[-1] for row in rows} == {"0"}
        words = ("tail", "spreads", "--from", "beginning", "--until", "end")
        tail = cointide(settings, *words)
        assert tail.returncode == 0, tail.stderr
        assert "coinbase:BTC-USD" in tail.stdout
        with GatewayProcess(settings) as gateway:
            found = gateway.get("/v1/spreads")
            assert {each["market"] for each in found["data"]} >= {"coinbase:BTC-USD"}
        said = lag.stderr + tail.stderr + worker.log.read_text() + gateway.log.read_text()
        arguments = Path(f"/proc/{worker.process.pid}/cmdline").read_text()
        for secret in (kafka.password, kafka.key_password):
            assert secret not in said
            assert secret not in arguments


def test_a_password_may_be_shown_plainly_too(kafka: SecuredKafka) -> None:
    """PLAIN, which is safe under TLS."""
    assert admitted_brokers(kafka.by_password("PLAIN")) == kafka.brokers("SASL_SSL")


@pytest.mark.parametrize("words", [("lag",), ("agent", "spread")])
def test_a_wrong_password_ends_a_command_with_one_sentence(
    kafka: SecuredKafka, words: tuple[str, ...]
) -> None:
    """It says user, mechanism, protocol and the variables, and no password."""
    settings = kafka.by_password("SCRAM-SHA-512", kafka_sasl_password=_WRONG)
    done = cointide(settings, *words)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith(
        f"cointide: expected Kafka at {kafka.brokers('SASL_SSL')} to let in user '{USER}' by "
        "SCRAM-SHA-512 over sasl_ssl with the password of COINTIDE_KAFKA_SASL_PASSWORD, but "
    )
    assert "uthentication failed" in done.stderr
    assert _WRONG not in done.stderr
    assert kafka.password not in done.stderr


def test_without_a_certificate_nobody_is_let_in(kafka: SecuredKafka) -> None:
    """The sentence names the settings of certificates."""
    settings = Settings(
        kafka_security_protocol="ssl",
        kafka_brokers=kafka.brokers("SSL"),
        kafka_ssl_ca_file=str(kafka.authority.file),
    )
    with pytest.raises(TransportError, match=r"accept each other's certificates .*tls alert"):
        admitted_brokers(settings)


def test_a_broker_without_tls_is_told_from_one_that_is_away(kafka: SecuredKafka) -> None:
    """TLS with a listener that has none is an error; where nobody listens the caller waits."""
    settings = kafka.by_certificate()
    with pytest.raises(TransportError, match="connecting to a PLAINTEXT broker listener"):
        check_access(settings, kafka.brokers("PLAINTEXT"), limit_s=1.0)
    check_access(settings, f"{LOOPBACK}:1", limit_s=0.5)


def test_a_broker_of_another_authority_is_refused(kafka: SecuredKafka, tmp_path: Path) -> None:
    """A password is not shown to a broker whose certificate we do not trust."""
    other = Authority(tmp_path / "other")
    settings = kafka.by_password("PLAIN", kafka_ssl_ca_file=str(other.file))
    with pytest.raises(TransportError, match="certificate verify failed"):
        admitted_brokers(settings)


def test_the_certificate_must_name_the_host_unless_that_is_not_checked(
    kafka: SecuredKafka,
) -> None:
    """The broker's names its address and no `localhost`."""
    by_name = {"kafka_brokers": kafka.brokers("SASL_SSL", "localhost")}
    with pytest.raises(TransportError, match="certificate verify failed"):
        admitted_brokers(kafka.by_password("PLAIN", **by_name))
    unchecked = kafka.by_password("PLAIN", **by_name, kafka_ssl_check_hostname=False)
    assert admitted_brokers(unchecked) == by_name["kafka_brokers"]


def test_a_key_that_cannot_be_used_is_named_without_its_password(kafka: SecuredKafka) -> None:
    """A wrong password of the key, and a file that is not there."""
    with pytest.raises(SettingsError, match="expected TLS settings") as caught:
        admitted_brokers(kafka.by_certificate(kafka_ssl_key_password=_WRONG))
    assert _WRONG not in str(caught.value)
    missing = {"kafka_ssl_key_file": "/missing.pem"}
    with pytest.raises(SettingsError, match="COINTIDE_KAFKA_SSL_KEY_FILE to name a file"):
        admitted_brokers(kafka.by_certificate(**missing))


def test_the_local_stack_refuses_settings_of_another_kafka(tmp_path: Path) -> None:
    """Its own Kafka takes everyone; nothing is started."""
    settings = Settings(data_dir=tmp_path / "stack", kafka_security_protocol="ssl")
    with (
        pytest.raises(SettingsError, match="to be plaintext for a local stack"),
        Supervisor(settings),
    ):
        raise AssertionError("it was started")
    assert not (tmp_path / "stack").exists()
