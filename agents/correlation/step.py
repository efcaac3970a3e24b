"""One step of a table: from its window to the records that it publishes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.correlation.rest import RestReturns
from agents.correlation.ring import Window
from agents.correlation.state import decided_in, row_of
from agents.correlation.tables import MINUTE_S, Method, TableDefinition
from agents.runtime.source import Output
from agents.runtime.steps import Step
from models.records.correlations import (
    CORRELATIONS_VERSION,
    LARGEST_BLOCK_BYTES,
    CorrelationBlock,
    Returns,
    encode_block,
    encode_returns,
)
from models.statistics.correlation import (
    Matrices,
    Rows,
    Seconds,
    ewma,
    hayashi_yoshida,
    pearson,
    row_weight,
    spearman,
)
from models.times import iso_seconds
from models.topics import CORRELATIONS, RETURNS

_BY_ROWS: dict[Method, Callable[[Rows], Matrices]] = {
    "pearson": pearson,
    "spearman": spearman,
    "ewma": ewma,
}
_CELLS: tuple[tuple[str, str], ...] = (
    ("matrix", "<f8"),
    ("n", "<u4"),
    ("n_rest", "<u4"),
    ("n_effective", "<f8"),
    ("why", "u1"),
)
_BYTES_A_CELL = sum(np.dtype(kind).itemsize for _, kind in _CELLS)
# The lengths of five byte strings, written out.
_LENGTHS_BYTES = 32


class StepOutputs(msgspec.Struct, frozen=True):
    """What a step publishes, in this order; `cut` as in `Matrices`."""

    outputs: list[Output]
    cut: int


def step_outputs(
    definition: TableDefinition,
    reference_currencies: Sequence[str],
    step: Step,
    window: Window,
    rest: RestReturns | None,
) -> StepOutputs:
    """Return the outputs of a step; the same step, window and `rest` give the same bytes.

    `rest` are the rows made from candles that are published with it.
    """
    returns = log_returns(definition, window)
    matrices = _matrices(definition, window, returns)
    time = step.index * definition.step_s
    currencies = [*reference_currencies, None]
    record = _returns_record(definition, currencies, step, returns[-1])
    key = f"{definition.name}|{time}".encode()
    masked = decided_in(step).masked
    return StepOutputs(
        [
            Output(RETURNS.name, key, encode_returns(record)),
            *_rest_outputs(definition, currencies, step, rest),
            *_blocks(definition.name, iso_seconds(time), window, masked, matrices),
        ],
        matrices.cut,
    )


def log_returns(definition: TableDefinition, window: Window) -> NDArray[np.float64]:
    """Return the log returns of the window's rows, shape (rows, coins).

    NaN where a price is missing, where the two are in different currencies, and where one is from
    candles and the other is live.
    """
    lag = definition.lag
    returns: NDArray[np.float64] = window.log_price[lag:] - window.log_price[:-lag]
    broken = window.currency[lag:] != window.currency[:-lag]
    broken |= (window.is_rest[lag:] != window.is_rest[:-lag])[:, None]
    returns[broken] = np.nan
    return returns


def _matrices(
    definition: TableDefinition, window: Window, returns: NDArray[np.float64]
) -> Matrices:
    row = window.row[definition.lag :]
    warming = (row[-1] - window.first_row) * definition.row_s < definition.window_s
    if definition.method == "hayashi_yoshida":
        log_price = window.log_price[definition.lag :].copy()
        before, currency = window.log_price[:-1], window.currency
        # An increment from one currency to another would be none of the price.
        other = np.isfinite(before) & (currency[1:] != currency[:-1])
        log_price[other] = np.nan
        return hayashi_yoshida(Seconds(log_price, warming))
    kept = np.isfinite(returns).any(axis=1)
    is_rest = window.is_rest[definition.lag :][kept]
    weight = np.where(
        is_rest,
        row_weight(definition.sampling_s, max(definition.step_s, MINUTE_S)),
        row_weight(definition.sampling_s, definition.row_s),
    )
    age_s = (row[-1] - row[kept]) * float(definition.row_s)
    return _BY_ROWS[definition.method](
        Rows(
            returns[kept],
            weight,
            is_rest,
            warming,
            age_s,
            definition.sampling_s,
            definition.window_s,
        )
    )


def _returns_record(
    definition: TableDefinition,
    currencies: Sequence[str | None],
    step: Step,
    log_return: NDArray[np.float64],
) -> Returns:
    row = row_of(definition, step)
    return Returns(
        version=CORRELATIONS_VERSION,
        table=definition.name,
        as_of=iso_seconds(step.index * definition.step_s),
        coins=step.markets,
        price=_nullable(row.price[-1]),
        quote_currency=[currencies[i] for i in row.currency[-1].tolist()],
        venues=row.venues[-1].tolist(),
        log_return=_nullable(log_return),
        masked=decided_in(step).masked,
        source="live",
    )


def _rest_outputs(
    definition: TableDefinition,
    currencies: Sequence[str | None],
    step: Step,
    rest: RestReturns | None,
) -> list[Output]:
    """Return rows made from candles; the key says when they last changed."""
    if rest is None:
        return []
    changed = decided_in(step).rest_changed
    outputs = []
    for i, time in enumerate(rest.time.tolist()):
        record = Returns(
            version=CORRELATIONS_VERSION,
            table=definition.name,
            as_of=iso_seconds(time),
            coins=step.markets,
            price=_nullable(rest.price[i]),
            quote_currency=[currencies[each] for each in rest.currency[i].tolist()],
            venues=rest.venues[i].tolist(),
            log_return=_nullable(rest.log_return[i]),
            masked=[],
            source="rest",
        )
        key = f"{definition.name}|{time}|{changed}".encode()
        outputs.append(Output(RETURNS.name, key, encode_returns(record)))
    return outputs


def _blocks(
    table: str, as_of: str, window: Window, masked: list[str], matrices: Matrices
) -> list[Output]:
    coins = len(window.coins)
    cells = {name: np.ascontiguousarray(getattr(matrices, name), kind) for name, kind in _CELLS}
    sigma = np.asarray(matrices.sigma, "<f8").tobytes()
    ticks = np.asarray(window.quotes_a_second, "<f8").tobytes()

    def block(number: int, count: int, first: int, last: int) -> bytes:
        return encode_block(
            CorrelationBlock(
                version=CORRELATIONS_VERSION,
                table=table,
                as_of=as_of,
                block=number,
                blocks=count,
                first_row=first,
                coins=window.coins,
                masked=masked,
                sigma=sigma,
                ticks=ticks,
                **{name: cells[name][first:last].tobytes() for name, _ in _CELLS},
            )
        )

    head = len(block(coins, coins, 0, 0)) + _LENGTHS_BYTES
    height = max(1, (LARGEST_BLOCK_BYTES - head) // max(1, coins * _BYTES_A_CELL))
    count = max(1, -(-coins // height))
    return [
        Output(
            CORRELATIONS.name,
            f"{table}|{number}".encode(),
            block(number, count, number * height, min((number + 1) * height, coins)),
        )
        for number in range(count)
    ]


def _nullable(values: NDArray[np.float64]) -> list[float | None]:
    return [value if value == value else None for value in values.tolist()]
