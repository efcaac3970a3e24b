"""The local Kafka: one node in KRaft mode, from the jars that `make setup` fetched."""
