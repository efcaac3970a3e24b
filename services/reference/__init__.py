"""Reference data from exchanges and CoinGecko into `coins` and `markets`."""
