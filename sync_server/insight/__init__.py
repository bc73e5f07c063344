"""Figures for organisers, read from the counters."""
