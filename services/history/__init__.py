"""History: what the log, Cassandra and the Parquet archive hold, read as one series."""
