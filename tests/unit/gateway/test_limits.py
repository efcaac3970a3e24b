"""Rate limits, connection limits, and which sites' pages may come in."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.datastructures import Headers

from models.settings import Settings
from services.gateway.limits import buckets as buckets_module
from services.gateway.limits.buckets import Buckets, Connections
from services.gateway.limits.origins import allows_origin
from tests.unit.gateway.calls import check_problem, served
from tests.unit.gateway.made import Clock, Desk


@given(
    per_minute=st.integers(1, 6_000),
    burst=st.integers(1, 50),
    waits=st.lists(st.floats(0, 30), min_size=1, max_size=80),
)
def test_never_more_than_the_burst_and_the_rate(
    per_minute: int, burst: int, waits: list[float]
) -> None:
    """In any stretch of time: at most the burst, and what the rate gives within it."""
    clock = Clock(0)
    buckets = Buckets(per_minute, burst, clock)
    let_through: list[float] = []
    for wait in waits:
        clock.seconds += wait
        verdict = buckets.take("a")
        assert verdict is not None
        if verdict.is_allowed:
            let_through.append(clock.seconds)
        else:
            assert verdict.remaining == 0
            assert verdict.retry_s >= 1
    for i, begin in enumerate(let_through):
        for j in range(i, len(let_through)):
            allowed = burst + (let_through[j] - begin) * per_minute / 60
            assert j - i + 1 <= math.floor(allowed + 1e-6)


def test_who_waits_as_long_as_told_is_let_through() -> None:
    """`retry_s` is enough, and one bucket is not another's."""
    clock = Clock(0)
    buckets = Buckets(per_minute=6, burst=2, now=clock)
    verdicts = [buckets.take("a") for _ in range(3)]
    assert [v.is_allowed for v in verdicts if v] == [True, True, False]
    last = verdicts[-1]
    assert last is not None
    assert (last.limit, last.remaining, last.reset_s, last.retry_s) == (2, 0, 20, 10)
    other = buckets.take("b")
    assert other is not None
    assert other.is_allowed
    clock.seconds += last.retry_s
    again = buckets.take("a")
    assert again is not None
    assert again.is_allowed
    clock.seconds -= 1_000
    assert buckets.take("a") is not None


def test_the_memory_of_clients_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one longest silent is forgotten."""
    monkeypatch.setattr(buckets_module, "MOST_BUCKETS", 10)
    clock = Clock(0)
    buckets = Buckets(60, 5, clock)
    for client in range(100):
        clock.seconds += 1
        buckets.take("busy")
        buckets.take(str(client))
    assert len(buckets) == 10
    verdict = buckets.take("busy")
    assert verdict is not None
    assert verdict.remaining == 3


def test_connections_are_counted_by_client() -> None:
    """One too many is refused until another one leaves; 0 is no limit."""
    connections = Connections(2)
    assert [connections.enter("a") for _ in range(3)] == [True, True, False]
    assert connections.enter("b")
    connections.leave("a")
    assert connections.enter("a")
    unlimited = Connections(0)
    assert all(unlimited.enter("a") for _ in range(1_000))


def limited(**changed: object) -> Desk:
    """Return a gateway that lets two requests through at once, one more every 10 s."""
    settings = {"rate_limit_per_minute": 6, "rate_limit_burst": 2, **changed}
    return Desk(Settings.model_validate(settings))


def test_one_request_too_many_is_told_when_to_come_again() -> None:
    """429 as a problem with `Retry-After`; every answer says what is left."""
    desk = limited()
    client = served(desk)
    first, second, third = (client.get("/v1/catalog") for _ in range(3))
    assert [first.status_code, second.status_code] == [200, 200]
    assert [got.headers["ratelimit-remaining"] for got in (first, second, third)] == list("100")
    assert first.headers["ratelimit-limit"] == "2"
    assert first.headers["ratelimit-reset"] == "10"
    assert first.headers["ratelimit-policy"] == "6;w=60;burst=2"
    check_problem(third, 429, "too-many-requests", "/v1/catalog")
    assert third.headers["retry-after"] == "10"
    desk.clock.seconds += 10
    assert client.get("/v1/nothing").headers["ratelimit-remaining"] == "0"
    assert "cointide_gateway_rate_limited_total 1.0" in client.get("/metrics").text


def test_health_metrics_and_the_page_are_never_limited() -> None:
    """Else a busy client would take the gateway out of the load balancer."""
    client = served(limited())
    for path in ("/v1/live", "/v1/ready", "/metrics", "/"):
        for _ in range(5):
            got = client.get(path)
            assert got.status_code == 200
            assert "ratelimit-limit" not in got.headers
    off = served(limited(rate_limit_per_minute=0))
    assert {off.get("/v1/catalog").status_code for _ in range(5)} == {200}


def test_each_key_has_a_bucket_and_guesses_share_one() -> None:
    """A bad key counts for the address it comes from."""
    client = served(limited(api_keys=[SecretStr("one"), SecretStr("two")]))

    def ask(key: str) -> int:
        return client.get("/v1/catalog", headers={"X-API-Key": key}).status_code

    assert [ask("one") for _ in range(3)] == [200, 200, 429]
    assert [ask("two") for _ in range(3)] == [200, 200, 429]
    assert [ask(f"guess {i}") for i in range(3)] == [401, 401, 429]


@pytest.mark.parametrize(
    ("origin", "host", "is_allowed"),
    [
        (None, "gateway:8000", True),
        ("http://gateway:8000", "gateway:8000", True),
        ("https://gateway", "gateway", True),
        ("https://gateway:443", "gateway", True),
        ("http://gateway:80", "gateway", True),
        ("http://Gateway:8000", "gateway:8000", True),
        ("https://desk.example", "gateway:8000", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://evil.example", "gateway:8000", False),
        ("http://gateway:8001", "gateway:8000", False),
        ("http://gateway.evil.example:8000", "gateway:8000", False),
        ("https://desk.example.evil", "gateway:8000", False),
        ("null", "gateway:8000", False),
        ("file://", "gateway:8000", False),
        ("http://gateway:port", "gateway:8000", False),
        ("", "", False),
    ],
)
def test_which_pages_may_open_a_websocket(origin: str | None, host: str, is_allowed: bool) -> None:
    """Those of the same host and port, those that are named, and what is no page."""
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    assert allows_origin(Headers(headers), ["https://desk.example"]) is is_allowed


def test_other_sites_may_read_rest_only_where_they_are_named() -> None:
    """No CORS by default; with it also a 429 can be read there, and its headers."""
    asked = {"Origin": "https://desk.example"}
    plain = served(Desk()).get("/v1/catalog", headers=asked)
    assert "access-control-allow-origin" not in plain.headers
    client = served(limited(allowed_origins=["https://desk.example"]))
    for status in (200, 200, 429):
        got = client.get("/v1/catalog", headers=asked)
        assert got.status_code == status
        assert got.headers["access-control-allow-origin"] == "https://desk.example"
        assert "RateLimit-Remaining" in got.headers["access-control-expose-headers"]
    other = client.get("/v1/live", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    preflight = client.request(
        "OPTIONS",
        "/v1/catalog",
        headers={
            **asked,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "X-API-Key",
        },
    )
    assert preflight.status_code == 200
