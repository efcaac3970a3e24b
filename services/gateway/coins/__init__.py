"""`/v1/coins`."""
