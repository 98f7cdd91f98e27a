"""One module per tool: how its users run it, at its best settings."""
