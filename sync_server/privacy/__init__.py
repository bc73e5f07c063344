"""Personal fields: the vault, later audit and erasure."""
