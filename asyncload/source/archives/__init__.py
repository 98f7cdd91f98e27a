"""ZIP archives as folders of CSVs: their directory, and their members read in bounded memory."""
