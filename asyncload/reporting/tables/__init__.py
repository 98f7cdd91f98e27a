"""Results of checking CSVs, as text, as JSON, and as table definitions."""
