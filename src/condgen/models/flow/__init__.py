"""Flows and their parts: paths, samplers, guidance."""
