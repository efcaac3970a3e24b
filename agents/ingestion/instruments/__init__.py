"""What exchanges and CoinGecko say of coins and markets: bytes in, records out."""
