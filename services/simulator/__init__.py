"""Exchanges on loopback: a seeded market behind the protocols of Coinbase, Kraken and Binance."""
