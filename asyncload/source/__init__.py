"""Source files: opened beneath the volume's root, read in threads, never for ever."""
