"""Data on disk: archives, downloads, prepared images and what is remembered of them."""
