"""Bars of the past: from exchanges' candles and from captures, beside the live ones."""
