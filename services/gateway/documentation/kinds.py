"""What fields of many answers are."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from models.records.reasons import Reason

Time = Annotated[str, Meta(description="ISO-8601 UTC with Z")]
MarketKey = Annotated[str, Meta(description="exchange:BASE-QUOTE")]
Reasons = Annotated[
    dict[str, Reason], Meta(description="field path to the reason why it is null; see also as_of")
]
Cursor = Annotated[str | None, Meta(description="cursor of the next page; null on the last one")]
CompleteFrom = Annotated[
    Time | None, Meta(description="where the oldest of what is held begins; null without any")
]
Gaps = Annotated[
    list[tuple[Time, Time]],
    Meta(description="[from, until) within the range of which something was lost"),
]
