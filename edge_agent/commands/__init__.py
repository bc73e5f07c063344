"""What `edge-agent` does from a shell, one module a command."""
