"""Benchmarks of asyncload beside its peers; `README.md` in this folder tells how to run them."""
