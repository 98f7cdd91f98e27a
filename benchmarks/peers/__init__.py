"""One module per tool: how its users run it, with its best settings."""
