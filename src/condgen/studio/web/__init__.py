"""The studio's page without a server: a run exported as a folder for any static host, or as one file."""
