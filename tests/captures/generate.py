"""Write the captures of this folder again: `python -m tests.captures.generate [folder]`.

The same text every time: the scripts are seeded and read no clock.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.captures import binance, coinbase, jump, kraken

SCRIPTS = {
    "binance": binance.write,
    "coinbase": coinbase.write,
    "jump": jump.write,
    "kraken": kraken.write,
}


def generate(folder: Path) -> list[Path]:
    """Write every capture into `folder` and return the files."""
    paths = []
    for name, write in SCRIPTS.items():
        paths.append(folder / f"{name}.jsonl.zst")
        write(paths[-1])
    return paths


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
