"""Faust apps, one folder each: they meet in topics."""
