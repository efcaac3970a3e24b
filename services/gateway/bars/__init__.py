"""`/v1/coins/{coin}/bars`: candles of a market, or of a coin in a quote currency."""
