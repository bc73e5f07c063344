"""Participants and their tickets: reading, checking, saving, printing."""
