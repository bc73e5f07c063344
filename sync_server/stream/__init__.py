"""What happened, as it happens: the outbox, and who listens."""
