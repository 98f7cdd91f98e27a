"""The use cases, and all their wiring: load, verify, clean, and what a run needs besides."""
