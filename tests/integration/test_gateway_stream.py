"""The websocket's edges, with a client that nobody here wrote: slow ones, keys, limits, a stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from pydantic import SecretStr
from websockets.exceptions import InvalidStatus

from models.records.bursts import TradeBurst, encode_burst
from models.settings import Settings
from models.topics import SPREADS
from tests.integration.conftest import CreateTopics
from tests.integration.gateway import LIMIT_S, GatewayProcess, StreamClient, closed, items_of, send
from tests.unit.gateway.made import START, spreads

MARKETS = [f"kraken:C{number:03d}-USD" for number in range(100)]
FIRST = MARKETS[0]
KEY = "a good key"


@pytest.fixture
def settings(namespaced: Settings, create_topics_for: CreateTopics) -> Settings:
    """Return settings with topics, and little patience for slow clients."""
    small = namespaced.model_copy(update={"gateway_queue": 16, "gateway_drain_s": 2.0})
    create_topics_for(small)
    return small


@pytest.fixture
def gateway(settings: Settings) -> Iterator[GatewayProcess]:
    """Return a gateway that is ready; it knows one second of every market."""
    send_spreads(settings, [1])
    with GatewayProcess(settings) as process:
        yield process


def send_spreads(settings: Settings, seconds: list[int]) -> None:
    """Put seconds of spreads of all markets into the topic."""
    values = [spreads(second, MARKETS, spread=float(second)).value for second in seconds]
    send(settings, SPREADS.name, values)


def send_trades(settings: Settings, bursts: int, trades: int) -> None:
    """Put bursts of trades of the first market into the topic."""
    time_ = np.full(trades, START * 10**9, "<i8").tobytes()
    column = np.ones(trades, "<f8").tobytes()
    burst = TradeBurst(
        version=1, exchange="kraken", partition=2, epoch=1, clock=START * 10**9, markets=[FIRST],
        market=np.zeros(trades, "<u2").tobytes(), time=time_, receive_time=time_, own_time=time_,
        flags=bytes(trades), unseen=[], price=column, size=column,
        side=np.ones(trades, "i1").tobytes(), trade_id=np.arange(trades, dtype="<i8").tobytes(),
    )  # fmt: skip
    send(settings, "kraken_trades", [encode_burst(burst)] * bursts)


def test_a_slow_client_gets_the_newest(gateway: GatewayProcess, settings: Settings) -> None:
    """Not all of it, in order, told how much was left out, chained, and at the end the newest."""
    with StreamClient(gateway, slow=True) as slow, StreamClient(gateway) as quick:
        slow.subscribe("spreads", "*")
        quick.subscribe("spreads", "*")
        last = 600
        send_spreads(settings, list(range(2, last + 1)))
        had: dict[str, int] = {}
        while set(had.values()) != {START + last}:
            had |= {item["key"]: item["seq"] for item in items_of(quick.next())}
        had, dropped, received = {}, 0, 0
        while len(had) < len(MARKETS) or set(had.values()) != {START + last}:
            message = slow.next()
            if message["type"] == "conflated":
                dropped += message["dropped"]
            for item in items_of(message):
                if message["type"] != "snapshot":
                    assert item["prev_seq"] == had[item["key"]]
                had[item["key"]] = item["seq"]
                received += 1
        assert dropped > 0
        assert received + dropped == len(MARKETS) * last
        assert gateway.metric("cointide_gateway_conflated_total") >= dropped


def test_too_slow_for_trades_is_closed(gateway: GatewayProcess, settings: Settings) -> None:
    """1013: they cannot be left out."""
    with StreamClient(gateway, slow=True) as slow:
        slow.subscribe("trades", "*")
        send_trades(settings, bursts=100, trades=1_000)
        assert closed(slow) == 1013


def test_resume_after_the_connection_was_lost(gateway: GatewayProcess, settings: Settings) -> None:
    """What came in between follows, nothing twice; of another replica the same."""
    with StreamClient(gateway) as client:
        client.subscribe("spreads", FIRST)
        snapshot = client.next()
    send_spreads(settings, [2, 3, 4])
    with GatewayProcess(settings) as other:
        for process in (gateway, other):
            with StreamClient(process) as client:
                client.subscribe("spreads", FIRST, resume={FIRST: snapshot["seq"]})
                seconds: list[int] = []
                while not seconds or seconds[-1] < START + 4:
                    message = client.next()
                    assert message["type"] == "update"
                    assert message["prev_seq"] == message["seq"] - 1
                    seconds.append(message["seq"])
                assert seconds == [START + 2, START + 3, START + 4]


def test_an_interval_is_kept(gateway: GatewayProcess, settings: Settings) -> None:
    """The newest value at its end, chained to the snapshot."""
    with StreamClient(gateway) as client:
        client.subscribe("spreads", FIRST, interval_ms=500)
        assert client.next()["seq"] == START + 1
        send_spreads(settings, [2, 3, 4])
        last = START + 1
        while last < START + 4:
            message = client.next()
            assert message["prev_seq"] == last
            last = message["seq"]


def test_heartbeats_come_once_a_second(gateway: GatewayProcess) -> None:
    """Also to who has subscribed to nothing."""
    with StreamClient(gateway) as client:
        for _ in range(2):
            message = msgspec.json.decode(client.connection.recv(LIMIT_S))
            assert message["type"] == "heartbeat"


def test_msgpack_says_the_same(gateway: GatewayProcess) -> None:
    """By its subprotocol; the gateway names it in its answer."""
    with (
        StreamClient(gateway) as plain,
        StreamClient(gateway, subprotocols=["cointide.msgpack"]) as packed,
    ):
        assert packed.connection.subprotocol == "cointide.msgpack"
        request = {"op": "subscribe", "id": 1, "channel": "spreads", "keys": [FIRST]}
        packed.connection.send(msgspec.msgpack.encode(request))
        ack, snapshot = (
            msgspec.msgpack.decode(packed.connection.recv(LIMIT_S, decode=False)) for _ in range(2)
        )
        assert ack["type"] == "subscribed"
        plain.subscribe("spreads", FIRST)
        assert plain.next() == snapshot


@pytest.mark.parametrize(
    ("messages", "code"), [(["{"] * 3, 1008), (["x" * 70_000], 1009)], ids=["malformed", "large"]
)
def test_what_ends_a_connection(gateway: GatewayProcess, messages: list[str], code: int) -> None:
    """Three malformed messages, or one above 64 KiB."""
    with StreamClient(gateway) as client:
        for message in messages:
            client.connection.send(message)
        assert closed(client) == code


def test_a_request_that_is_refused_has_the_form_of_rest(gateway: GatewayProcess) -> None:
    """An unknown parameter is refused before there is a websocket."""
    with pytest.raises(InvalidStatus) as caught:
        StreamClient(gateway, "?colour=red")
    response = caught.value.response
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


def test_keys(settings: Settings) -> None:
    """In a header or as the first message; without one it ends within a few seconds."""
    locked = settings.model_copy(update={"api_keys": [SecretStr(KEY)]})
    send_spreads(settings, [1])
    with GatewayProcess(locked) as gateway:
        for headers in ({"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}):
            assert gateway.get("/v1/catalog", headers=headers)["channels"]
            with StreamClient(gateway, additional_headers=headers) as client:
                client.subscribe("spreads", FIRST)
        with StreamClient(gateway) as silent, StreamClient(gateway) as client:
            client.send(op="auth", id=7, key=KEY)
            assert client.next() == {"type": "authenticated", "id": 7}
            client.subscribe("spreads", FIRST)
            for refused in (
                StreamClient(gateway, additional_headers={"X-API-Key": "bad"}),
                silent,
            ):
                assert closed(refused) == 4401
                refused.connection.close()
        log = gateway.log.read_text()
    assert KEY not in log


def test_a_planned_stop_is_announced(gateway: GatewayProcess) -> None:
    """Clients are asked to connect elsewhere, nobody new comes in, then it ends with status 0."""
    with StreamClient(gateway) as client:
        client.subscribe("spreads", FIRST)
        assert client.next()["type"] == "snapshot"
        gateway.process.send_signal(signal.SIGTERM)
        assert client.next() == {"type": "reconnect", "within_seconds": 2}
        with pytest.raises(InvalidStatus) as caught:
            StreamClient(gateway)
        assert caught.value.response.status_code == 503
        assert closed(client) == 1012
    assert gateway.process.wait(LIMIT_S) == 0


def test_it_stops_at_once_when_nobody_is_connected(gateway: GatewayProcess) -> None:
    """And leaves nothing but structured lines in its log."""
    begun = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - begun < LIMIT_S / 2
    for line in gateway.log.read_text().splitlines():
        assert line.startswith("20"), line


def test_what_cannot_be_read_is_counted(gateway: GatewayProcess, settings: Settings) -> None:
    """And passed over."""
    send(settings, SPREADS.name, [b"no spreads"])
    send_spreads(settings, [2])
    with StreamClient(gateway) as client:
        client.subscribe("spreads", FIRST)
        while client.next()["seq"] < START + 2:
            pass
    assert gateway.metric('cointide_gateway_undecodable_total{topic="spreads"}') == 1
