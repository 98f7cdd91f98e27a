"""Which file is to land under which key, and in what parts."""
