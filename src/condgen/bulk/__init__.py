"""Generation in bulk: millions of samples in shards, made by many workers, that one machine would make alike."""
