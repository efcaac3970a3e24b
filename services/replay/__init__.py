"""Captures into the Kafka of a running stack."""
