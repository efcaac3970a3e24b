"""The simulated market: pure, seeded, event time in and events out. No socket, no clock."""
