"""History over REST: pages of JSON, and whole ranges streamed as CSV, Parquet or Arrow."""
