"""`/v1/feeds`: how the connections to the exchanges stand."""
