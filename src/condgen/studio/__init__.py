"""The studio: a page, made of a model's schema alone, on top of the HTTP API."""
