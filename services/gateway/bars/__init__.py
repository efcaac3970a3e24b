"""`/v1/coins/{coin}/bars` and `…/indicators`: candles, and figures over bars in a row."""
