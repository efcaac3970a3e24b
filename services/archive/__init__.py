"""Reading, checking and compacting the archive."""
