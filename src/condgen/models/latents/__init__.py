"""Codecs, between images and smaller ones of more channels, and models that work in their latents."""
