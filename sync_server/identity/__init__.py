"""Who may do what: people, devices, services, keys."""
