"""Load in several processes: batches of planned uploads go to worker processes, outcomes return.

This process scans, plans, lists and records, and loads files itself. `source` cuts batches,
`processes` starts workers, `fleet` hands batches to them, and `worker` runs in each of them.
"""
