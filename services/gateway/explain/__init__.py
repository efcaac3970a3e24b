"""`/v1/explain/spreads`: what stands behind one published row of spreads."""
