"""Frames of exchanges into captures."""
