"""Streaming mathematics: arrays in, arrays out."""
