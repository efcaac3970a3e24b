"""The spreads in the terminal: what `cointide watch` reads and shows."""
