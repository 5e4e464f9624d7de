"""Metrics: one file a question."""
