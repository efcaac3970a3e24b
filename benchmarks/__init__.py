"""What Cointide costs: measured beside something else in one run, never asserted in a test."""
