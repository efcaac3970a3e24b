"""What there is, and where it comes from."""

from __future__ import annotations

from models.records.bars import INTERVAL_SECONDS
from services.gateway.channels import CHANNELS
from services.gateway.documentation.schemas import Catalog, CorrelationTable
from services.gateway.filters import quote_of
from services.gateway.gateway import Gateway
from services.gateway.memory.memory import Memory
from services.gateway.memory.table_ids import TableId, resolved

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def catalog_of(gateway: Gateway) -> Catalog:
    """Return the catalog as it stands."""
    memory = gateway.memory
    source = gateway.settings.source
    markets, tables = memory.markets(), memory.tables()
    return Catalog(
        source="replay" if source == "none" else source,
        is_simulated=source == "simulated",
        exchanges=sorted(memory.exchanges),
        coins=memory.all_coins(),
        markets=markets,
        quote_currencies=sorted({*map(quote_of, markets)}),
        windows=sorted(memory.spreads.windows() or {"15s"}, key=_length),
        methods=sorted({table.method for table in tables}),
        intervals=list(INTERVAL_SECONDS),
        tables=[table_of(memory, table) for table in tables],
        channels=list(CHANNELS),
    )


def table_of(memory: Memory, table: TableId) -> CorrelationTable:
    """Return a correlation table as the public interface shows it."""
    matrix = memory.correlations.matrix(table.name)
    is_default = resolved(table.short, memory.tables()) == table
    return CorrelationTable(
        table=table.name,
        key=table.short if is_default else table.name,
        window=table.window,
        sampling=table.sampling,
        method=table.method,
        step_s=table.step_s,
        coins=0 if matrix is None else len(matrix.coins),
    )


def _length(window: str) -> int:
    return int(window[:-1]) * _SECONDS[window[-1]]
