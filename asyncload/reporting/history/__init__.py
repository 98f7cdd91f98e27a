"""What the records of past runs say: each run, each day, and where a file is."""
