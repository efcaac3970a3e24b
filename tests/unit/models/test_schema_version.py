"""A record of a version that is not ours is told as that, whatever its new fields are."""

from __future__ import annotations

import msgspec
import pytest

from models.errors import RecordError
from models.records.bursts import decode_quotes, decode_trades
from tests.made_bursts import START, quote_burst, trade_burst


@pytest.mark.parametrize(
    "new",
    [b"\xc0", b"\xc4\x01\xff", b"\xa1\xff", b"\x81\x80\x01", b"\xc7\x0c\xff" + 12 * b"\xff"],
    ids=["nothing", "bytes", "no UTF-8", "a map by a map", "a time out of bounds"],
)
def test_a_new_field_of_any_kind_does_not_make_it_one_of_ours(new: bytes) -> None:
    for value, decode in (
        (quote_burst(START), decode_quotes),
        (trade_burst(START), decode_trades),
    ):
        fields = msgspec.msgpack.decode(value) | {"version": 2, "new": msgspec.Raw(new)}
        with pytest.raises(RecordError) as refused:
            decode(msgspec.msgpack.encode(fields))
        assert refused.value.reason == "unknown_schema_version"
