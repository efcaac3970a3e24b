"""Fan-out: an update is serialised once and shared by everyone who subscribed to it."""
