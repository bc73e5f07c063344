"""The sync server: owns the participants, merges what the gates upload, shows what happens."""
