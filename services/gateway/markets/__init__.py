"""`/v1/markets`: instruments and their newest quote."""
