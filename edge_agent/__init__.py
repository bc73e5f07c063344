"""The edge agent: one process at one gate that decides, records, opens and uploads."""
