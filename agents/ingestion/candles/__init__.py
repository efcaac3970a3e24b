"""Warm start: finished one-minute candles from the exchanges' REST interfaces."""
