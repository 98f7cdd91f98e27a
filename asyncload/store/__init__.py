"""The `ObjectStore` protocol, and the limits and retries of its requests."""
