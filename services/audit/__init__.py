"""Recomputes published figures from the raw archive, and says where they differ."""
