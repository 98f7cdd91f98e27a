"""Benchmarks of asyncload and similar tools; see `README.md` in this folder."""
