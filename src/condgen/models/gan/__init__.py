"""Adversarial models and their parts: critic heads, losses, augmentation."""
