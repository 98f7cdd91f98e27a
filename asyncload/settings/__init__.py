"""Settings of a run, and how people write them."""
