"""Source files: opened beneath the volume's root, read in threads, with time limits."""
