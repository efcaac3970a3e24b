"""What runs around the agents: the local stack, the commands, the edges of the system."""
