"""The output of a run: totals, text, records, progress, manifest and success markers."""
