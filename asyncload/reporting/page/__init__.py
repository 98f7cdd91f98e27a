"""The report of a past run as one HTML page that needs nothing else."""
