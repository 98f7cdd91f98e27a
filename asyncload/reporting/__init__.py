"""What is told of a run: totals, words, records, progress, manifest and success markers."""
