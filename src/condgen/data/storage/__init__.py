"""Data on disk: archives, downloads, prepared images and the cache of sources."""
