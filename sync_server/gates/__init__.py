"""Gates of the event."""
