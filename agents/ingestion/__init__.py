"""From exchange frames to bursts of ticks."""
