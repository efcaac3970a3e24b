"""`Cointide`: history and newest figures over REST."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Literal, Self

import pandas as pd

from cointide_client import endpoints
from cointide_client.correlations import CorrelationMatrix, matrix_of
from cointide_client.frames import ARROW, ArrowAnswer, frame_of, warn_if_incomplete
from cointide_client.times import Time, timestamp
from cointide_client.transport import Transport

Interval = Literal["1s", "10s", "1m", "5m", "1h"]
Aggregate = Literal["last", "mean"]
BarInterval = Literal["1m", "5m", "1h", "1d"]
Method = Literal["pearson", "spearman", "ewma", "hayashi_yoshida"]

_PAGE = 1_000


class Cointide:
    """A gateway.

    Ranges are `[start, end)`; times say their zone (datetime, Timestamp or ISO-8601 text).
    Undefined figures are NaN, and the column `reasons` has, by field, why. `frame.attrs` has
    `complete_from` and `gaps` (ISO-8601 text): where a range begins before what is held, or has
    gaps, an `IncompleteWarning` says so, and nothing is ever cut off without one.

    Every method raises AnswerError where the gateway refuses or cannot answer (after `retries`,
    where it asks for that), ConnectionLostError where it is not reached or an answer breaks off,
    TimeError for a time without a zone, and MarketError for a market that is not written as one.
    """

    def __init__(
        self, url: str, key: str | None = None, *, timeout_s: float = 60.0, retries: int = 4
    ) -> None:
        """`url` is the gateway's, as `http://localhost:8000`; `key` an API key."""
        self._transport = Transport(url, key, timeout_s, retries)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def spreads(
        self,
        market: str,
        start: Time,
        end: Time,
        *,
        interval: Interval = "1s",
        aggregate: Aggregate = "last",
    ) -> pd.DataFrame:
        """Return the spreads of a market by `as_of`; windows are columns as `windows_15s_mean`.

        With an `interval` above 1 s a row is the last one of each, or the mean of its rows.
        """
        return self._frame(*endpoints.spreads(market, start, end, interval, aggregate))

    def spreads_batches(
        self,
        market: str,
        start: Time,
        end: Time,
        *,
        interval: Interval = "1s",
        aggregate: Aggregate = "last",
    ) -> Iterator[pd.DataFrame]:
        """Yield the same frame by frame: memory does not grow with the range."""
        return self._frames(*endpoints.spreads(market, start, end, interval, aggregate))

    def quotes(self, market: str, start: Time, end: Time) -> pd.DataFrame:
        """Return every quote of a market by `time`, in nanoseconds."""
        return self._frame(*endpoints.ticks("quotes", market, start, end))

    def quotes_batches(self, market: str, start: Time, end: Time) -> Iterator[pd.DataFrame]:
        """Yield the same frame by frame: memory does not grow with the range."""
        return self._frames(*endpoints.ticks("quotes", market, start, end))

    def trades(self, market: str, start: Time, end: Time) -> pd.DataFrame:
        """Return every trade of a market by `time`, in nanoseconds."""
        return self._frame(*endpoints.ticks("trades", market, start, end))

    def trades_batches(self, market: str, start: Time, end: Time) -> Iterator[pd.DataFrame]:
        """Yield the same frame by frame: memory does not grow with the range."""
        return self._frames(*endpoints.ticks("trades", market, start, end))

    def bars(
        self,
        coin: str,
        interval: BarInterval,
        start: Time,
        end: Time,
        *,
        quote: str = "USD",
        exchange: str | None = None,
    ) -> pd.DataFrame:
        """Return the bars that start in a range, by `start`; `as_of` is when one is over.

        Of one exchange's market, or without `exchange` the composite of all of them.
        """
        choice = endpoints.bars_parameters(interval, start, end, quote, exchange)
        return self._frame(f"/v1/coins/{coin}/bars", choice, "start")

    def indicators(
        self,
        coin: str,
        interval: BarInterval,
        start: Time,
        end: Time,
        *,
        quote: str = "USD",
        exchange: str | None = None,
    ) -> pd.DataFrame:
        """Return indicators by `as_of`, the end of the bar that they include."""
        choice = endpoints.bars_parameters(interval, start, end, quote, exchange)
        return self._frame(f"/v1/coins/{coin}/indicators", choice, "as_of")

    def correlation(
        self,
        a: str,
        b: str,
        start: Time,
        end: Time,
        *,
        window: str = "1h",
        sampling: str | None = None,
        method: Method = "pearson",
        interval: str = "1m",
    ) -> pd.DataFrame:
        """Return a pair's correlation over time by `as_of`: with `low`, `high`, `n`."""
        table = endpoints.table_parameters(window, sampling, method)
        choice = table | {"interval": interval} | endpoints.range_parameters(start, end)
        return self._frame(f"/v1/correlations/{a}/{b}/history", choice, "as_of")

    def feeds(self, market: str, start: Time, end: Time) -> pd.DataFrame:
        """Return each change of the status of a market's feed, by `since`."""
        return self._frame(*endpoints.feeds(market, start, end))

    def correlations(
        self,
        coins: Sequence[str] | None = None,
        *,
        window: str = "1h",
        sampling: str | None = None,
        method: Method = "pearson",
        repair: bool = False,
        order: Literal["rank", "cluster"] | None = None,
    ) -> CorrelationMatrix:
        """Return the newest matrix: of these coins, `["*"]` of all, else of the top 10."""
        names = None if coins is None else ",".join(coins)
        choice = {"repair": repair, "order": order, "coins": names}
        choice |= endpoints.table_parameters(window, sampling, method)
        return matrix_of(self._transport.json("/v1/correlations", choice))

    def newest_correlation(
        self,
        a: str,
        b: str,
        *,
        window: str = "1h",
        sampling: str | None = None,
        method: Method = "pearson",
    ) -> dict[str, Any]:
        """Return the newest correlation of a pair, as the gateway answers it."""
        table = endpoints.table_parameters(window, sampling, method)
        return self._transport.json(f"/v1/correlations/{a}/{b}", table)

    def markets(
        self, *, exchange: str | None = None, coin: str | None = None, quote: str | None = None
    ) -> pd.DataFrame:
        """Return every market with its newest quote (`quote_bid`, …), by name."""
        return self._list("/v1/markets", exchange=exchange, coin=coin, quote=quote)

    def newest_spreads(
        self, *, exchange: str | None = None, coin: str | None = None, quote: str | None = None
    ) -> pd.DataFrame:
        """Return the newest spread figures of every market, by name."""
        return self._list("/v1/spreads", exchange=exchange, coin=coin, quote=quote)

    def newest_feeds(self, *, exchange: str | None = None, coin: str | None = None) -> pd.DataFrame:
        """Return how the feed of every market stands, by name."""
        return self._list("/v1/feeds", exchange=exchange, coin=coin)

    def suggestion(
        self,
        market: str,
        side: Literal["buy", "sell"],
        *,
        horizon_s: int = 60,
        maker_bps: float | None = None,
        taker_bps: float | None = None,
        chase_bps: float | None = None,
    ) -> dict[str, Any]:
        """Return an indicative limit price and what it saves, as the gateway answers it."""
        fees = {"maker_bps": maker_bps, "taker_bps": taker_bps, "chase_bps": chase_bps}
        choice = {"market": market, "side": side, "horizon": horizon_s} | fees
        return self._transport.json("/v1/orders/suggestion", choice)

    def route(
        self,
        pay: str,
        want: str,
        *,
        exchange: str | None = None,
        taker_bps: float | None = None,
    ) -> dict[str, Any]:
        """Return every route of one or two legs from a currency to another one, best first."""
        choice = {"from": pay, "to": want, "exchange": exchange, "taker_bps": taker_bps}
        return self._transport.json("/v1/orders/route", choice)

    def _frame(self, path: str, parameters: dict[str, Any], index: str) -> pd.DataFrame:
        with self._transport.answer(path, parameters, ARROW) as response:
            answer = ArrowAnswer(response)
            frame = answer.frame(index)
        warn_if_incomplete(answer.attrs, timestamp(parameters["start"]))
        return frame

    def _frames(self, path: str, parameters: dict[str, Any], index: str) -> Iterator[pd.DataFrame]:
        with self._transport.answer(path, parameters, ARROW) as response:
            answer = ArrowAnswer(response)
            warn_if_incomplete(answer.attrs, timestamp(parameters["start"]))
            yield from answer.frames(index)

    def _list(self, path: str, **choice: str | None) -> pd.DataFrame:
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self._transport.json(path, {**choice, "limit": _PAGE, "cursor": cursor})
            rows += page["data"]
            cursor = page["next"]
            if cursor is None:
                return frame_of(rows, "market")
