"""Outputs for other programs than the one that started the run: metrics, lineage, traces."""
