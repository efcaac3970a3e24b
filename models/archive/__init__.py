"""The archive's shapes: how records are cut into chunks, and chunks become tables and entries."""
