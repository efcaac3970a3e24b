"""`/v1/spreads`: the newest spread figures."""
