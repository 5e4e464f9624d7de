"""Metrics: one file per question."""
