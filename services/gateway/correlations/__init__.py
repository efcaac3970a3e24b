"""`/v1/correlations`: matrices, pairs and their history."""
