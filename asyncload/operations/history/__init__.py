"""Read the records of past runs in the bucket."""
