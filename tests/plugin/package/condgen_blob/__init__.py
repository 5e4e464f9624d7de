"""What a package adds to condgen: one file each, and one line each in pyproject.toml."""
