"""Runs of several shards: join one, and put the parts of all together."""
