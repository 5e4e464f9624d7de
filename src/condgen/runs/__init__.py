"""Trained models: training, opening, sampling, editing and saving them."""
