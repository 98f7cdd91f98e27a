"""The `ObjectStore` protocol, and what limits and repeats its calls."""
