"""What scans count as: partner calls decided, uploads merged, conflicts listed and resolved."""
