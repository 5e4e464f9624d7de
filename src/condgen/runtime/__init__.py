"""Answering requests with exported models. Nothing here needs PyTorch."""
