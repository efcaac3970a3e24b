"""Captured frames: readers of every format that `replay` takes, their merge, and a writer."""
