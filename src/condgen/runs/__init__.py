"""Trained models: made, opened, asked for samples and edits, saved."""
