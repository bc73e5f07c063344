"""What `sync-server` does from a shell, one module a command."""
