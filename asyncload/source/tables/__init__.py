"""What the CSVs of a volume contain: encoding, dialect, rows, columns and types."""
