"""The nouns: values, events, checksums and names."""
