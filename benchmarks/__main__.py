"""`python -m benchmarks [NAME…]`: run all benchmarks, or those named."""

from __future__ import annotations

import argparse
import importlib
import platform

NAMES = (
    "spread_worker",
    "bars_worker",
    "stock_faust",
    "parsers",
    "correlation",
    "correlation_worker",
    "latency",
    "cassandra_writer",
    "history",
)


def main() -> None:
    """Run the benchmarks one after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], default=list(NAMES))
    names = parser.parse_args().names or list(NAMES)
    print(f"{platform.machine()}, Python {platform.python_version()}; CPU times, a shared machine")
    for name in names:
        importlib.import_module(f"benchmarks.{name}").run()


if __name__ == "__main__":
    main()
