"""The plan: the key of each file, and its parts."""
