"""The archive in Cassandra: the way in, the schema, and the agent that writes there."""
