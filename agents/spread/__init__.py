"""The spread agent: per market and second, the quoted spread and its rolling means."""
