"""The archive agent: what Kafka holds for a day, as Parquet for good."""
