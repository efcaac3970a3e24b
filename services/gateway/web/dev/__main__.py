"""A market of random numbers behind the mock gateway, to look at while the page is written."""

from __future__ import annotations

import argparse
import math
import random
import time

from services.gateway.web.dev import made
from services.gateway.web.dev.mock_gateway import Data, MockGateway, Query, Refusal, iso

_COINS = {
    "BTC": 63507.6, "ETH": 3120.4, "SOL": 148.2, "XRP": 0.5231, "DOGE": 0.13241, "ADA": 0.4412,
    "LTC": 83.41, "DOT": 6.712, "LINK": 14.233, "SHIB": 0.00001734, "AVAX": 27.91, "UNI": 7.411,
    "ATOM": 8.212, "XLM": 0.0931, "NEAR": 5.13, "APT": 8.94, "FIL": 4.51, "ICP": 9.87,
    "AAVE": 92.4, "PEPE": 0.00000912,
}  # fmt: skip
_EXCHANGES = (("coinbase", "USD"), ("kraken", "USD"), ("binance", "USDT"))


class _Market:
    def __init__(self, exchange: str, coin: str, quote: str, price: float, index: int) -> None:
        self.key = f"{exchange}:{coin}-{quote}"
        self.exchange, self.coin, self.quote = exchange, coin, quote
        self.price = price
        self.decimals = max(0, 5 - len(str(int(price)))) if price >= 1 else 5
        if price < 0.01:
            self.decimals = 9
        self.width = price * random.uniform(0.2, 8) * 1e-4
        self.spreads: list[float] = []
        self.unseen: tuple[str, int] | None = None
        self.troubled = index % 11 == 7
        self.bid = self.ask = price

    def step(self, second: int) -> Data:
        """One second on: a row as the interface gives it."""
        self.price *= 1 + random.gauss(0, 1e-4)
        if self.unseen and second >= self.unseen[1]:
            self.unseen = None
        elif not self.unseen and self.troubled and random.random() < 0.01:
            self.unseen = (random.choice(["gap", "stale", "down"]), second + random.randint(5, 40))
        self.quote_now()
        width = self.ask - self.bid
        self.spreads = [*self.spreads[-14:], width]
        reasons: dict[str, str] = {}
        if self.unseen:
            self.spreads = []
            fields = ["bid", "ask", "mid", "spread", "spread_bps"]
            fields += [f"windows.15s.{name}" for name in ("mean", "mean_bps", "tick_mean")]
            reasons = dict.fromkeys(fields, self.unseen[0])
        reasons["realised_60s_bps"] = "no_trades"
        mean = sum(self.spreads) / len(self.spreads) if self.spreads else None
        mid = (self.bid + self.ask) / 2
        seen = not self.unseen
        return {
            "market": self.key, "exchange": self.exchange, "coin": self.coin,
            "quote_currency": self.quote, "as_of": iso(second),
            "bid": self.bid if seen else None, "ask": self.ask if seen else None,
            "mid": mid if seen else None, "spread": width if seen else None,
            "spread_bps": width / mid * 1e4 if seen else None,
            "windows": {"15s": {
                "mean": mean, "mean_bps": mean / mid * 1e4 if mean is not None else None,
                "tick_mean": mean, "min": min(self.spreads, default=None),
                "max": max(self.spreads, default=None),
                "n": len(self.spreads) * 9, "coverage": len(self.spreads) / 15,
            }},
            **self._costs(second, mean / mid * 1e4 if mean is not None else None),
            "stale": not seen, "reasons": reasons,
        }  # fmt: skip

    def _costs(self, second: int, mean_bps: float | None) -> Data:
        usual = self.width / self.price * 1.13e4
        sigma = 0.12 + 0.03 * math.sin(second / 200)
        return {
            "imbalance": random.uniform(-1, 1), "effective_bps": usual * 0.9, "trades_n": 17,
            "trades_coverage": 1.0, "realised_5s_bps": usual * 0.5, "realised_5s_n": 15,
            "impact_5s_bps": usual * 0.4, "realised_60s_bps": None, "realised_60s_n": 0,
            "impact_60s_bps": None, "baseline_bps": usual, "baseline_sigma": sigma,
            "z": None if mean_bps is None else math.log(mean_bps / usual) / sigma, "z_n": 180,
            "half_life_s": 14.2, "half_life_n": 179,
        }  # fmt: skip

    def quote_now(self) -> None:
        """Move the best bid and ask a little."""
        width = self.width * random.lognormvariate(0, 0.5)
        tick = 10**-self.decimals
        self.bid = round(self.price - width / 2, self.decimals)
        self.ask = round(max(self.bid + tick, self.price + width / 2), self.decimals)

    def bar(self, second: int) -> Data:
        """The minute that ends here."""
        return {"market": self.key, **made.bar("1m", second - 60, self.price)}

    def feed(self, second: int) -> Data:
        """The feed as ingestion would tell it."""
        status = self.unseen[0] if self.unseen else "live"
        return {
            "market": self.key, "exchange": self.exchange, "coin": self.coin, "status": status,
            "detail": None, "since": iso(second - 600), "as_of": iso(second),
            "last_frame": iso(second), "last_price": self.price, "quotes": 12345, "trades": 678,
            "late": 0, "crossed": 0, "gaps": 1, "trades_lost": 0, "reconnects": 1,
            "clock_skew_ms": 41.7, "epoch": 3,
        }  # fmt: skip


class _Rest:
    """What is asked over REST, of the same markets."""

    def __init__(self, gateway: MockGateway, markets: list[_Market], coins: list[str]) -> None:
        self.markets = {market.key: market for market in markets}
        self.coins = coins
        self.started = time.time()
        gateway.catalog = {"tables": [{"table": table} for table in made.TABLES]}
        gateway.answer("/v1/coins/([^/]+)/bars", self.bars)
        gateway.answer("/v1/coins/([^/]+)/indicators", self.indicators)
        gateway.answer("/v1/coins/([^/]+)/venues", self.venues)
        gateway.answer("/v1/correlations", self.correlations)
        gateway.answer("/v1/correlations/([^/]+)/([^/]+)", self.pair)
        gateway.answer("/v1/correlations/([^/]+)/([^/]+)/history", self.history)
        gateway.answer("/v1/orders/suggestion", self.suggestion)
        gateway.answer("/v1/orders/route", lambda _, query: made.route(query, int(time.time())))

    def bars(self, names: tuple[str, ...], query: Query) -> Data:
        return made.bars(query, self._price(names[0]), int(time.time()), 5 * 3_600)

    def indicators(self, names: tuple[str, ...], query: Query) -> Data:
        return made.indicator_list(query, self._price(names[0]), int(time.time()), 5 * 3_600)

    def venues(self, names: tuple[str, ...], query: Query) -> Data:
        found = [
            m for m in self.markets.values() if (m.coin, m.quote) == (names[0], query["quote"])
        ]
        seen = [(m.key, m.bid, m.ask) for m in found if not m.unseen]
        left_out = {m.key: m.unseen[0] for m in found if m.unseen}
        return made.venues(seen, int(time.time()), left_out)

    def correlations(self, _: tuple[str, ...], query: Query) -> Data:
        wanted = query.get("coins")
        coins = self.coins[:10] if wanted is None else wanted.split(",")
        if wanted == "*":
            coins = self.coins
        table = f"{query['window']}.{query.get('sampling', '60s')}.{query['method']}"
        return made.matrix(coins, int(time.time()) // 10 * 10, table, thin=coins[7:8])

    def pair(self, names: tuple[str, ...], _: Query) -> Data:
        for name in names:
            if name not in self.coins:
                raise Refusal(404, f"expected a coin, was {name!r}")
        return made.pair(names[0], names[1], int(time.time()) // 10 * 10)

    def history(self, names: tuple[str, ...], query: Query) -> Data:
        self.pair(names, query)
        return made.pair_history(names[0], names[1], query)

    def suggestion(self, _: tuple[str, ...], query: Query) -> Data:
        market = self.markets[query["market"]]
        if market.unseen:
            reason = market.unseen[0]
            raise Refusal(409, f"expected {market.key} to be seen now, but: {reason}")
        tick = 10.0**-market.decimals
        return made.suggestion(query, market.bid, market.ask, tick, int(time.time()))

    def _price(self, coin: str) -> float:
        for market in self.markets.values():
            if market.coin == coin:
                return market.price
        raise Refusal(404, f"expected a coin, was {coin!r}")


def main() -> None:
    """Run until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markets", type=int, default=60)
    parser.add_argument("--port", type=int, default=8009)
    parser.add_argument("--coins", type=int, default=500, help="how many correlations are of")
    parser.add_argument("--source", choices=["simulated", "live", "none"], default="simulated")
    options = parser.parse_args()
    named = [
        (exchange, coin if not copy else f"{coin}{copy}", quote, price)
        for copy in range(options.markets // 60 + 1)
        for coin, price in _COINS.items()
        for exchange, quote in _EXCHANGES
    ]
    markets = [_Market(*name, index) for index, name in enumerate(named[: options.markets])]
    gateway = MockGateway(options.source, {coin: i + 1 for i, coin in enumerate(_COINS)})
    gateway.port = options.port
    coins = [*_COINS, *(f"C{index:03d}" for index in range(options.coins - len(_COINS)))]
    _Rest(gateway, markets, coins)
    second = int(time.time())
    for past in range(second - 900, second):
        gateway.publish("spreads", [(m.key, past, m.step(past)) for m in markets])
    gateway.start()
    print(gateway.url)  # noqa: T201
    seq = 0
    try:
        while True:
            gateway.publish("spreads", [(m.key, second, m.step(second)) for m in markets])
            if second % 60 == 0:
                gateway.publish(
                    "bars", [(f"{m.key}|1m", second // 60, m.bar(second)) for m in markets]
                )
            if second % 10 == 0:
                matrix = made.matrix(coins[:10], second, thin=coins[7:8])
                gateway.publish("correlations", [("1h.60s.pearson", second // 10, matrix)])
            gateway.publish("feeds", [(m.key, second, m.feed(second)) for m in markets])
            second += 1
            while time.time() < second:
                seq += 1
                quotes = []
                for m in random.sample(markets, len(markets) // 2):
                    if not m.unseen:
                        m.quote_now()
                        data: Data = {
                            "market": m.key, "time": iso(time.time()), "receive_time": None,
                            "own_time": None, "flags": [], "bid": m.bid, "bid_size": 1.0,
                            "ask": m.ask, "ask_size": 2.0,
                        }  # fmt: skip
                        quotes.append((m.key, seq, data))
                gateway.publish("quotes", quotes)
                time.sleep(min(0.25, max(0.0, second - time.time())))
    except KeyboardInterrupt:
        gateway.stop()


if __name__ == "__main__":
    main()
