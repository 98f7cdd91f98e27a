"""The use cases and their wiring: load, verify, clean, demo, and their shared parts."""
