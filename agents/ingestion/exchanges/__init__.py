"""The exchanges' protocols, sans-I/O: (receive time, frame) in; ticks, notices and replies out."""
