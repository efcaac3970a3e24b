"""The local Cassandra: one node, from the jars that `make setup` fetched."""
