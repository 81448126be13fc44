"""Our English: see `formats`."""
