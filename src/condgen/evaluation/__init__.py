"""Measurements: judges and what they say about samples."""
