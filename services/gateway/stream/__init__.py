"""The websocket `/v1/stream`."""
