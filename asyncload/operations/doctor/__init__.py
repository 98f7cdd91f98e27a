"""Find out, check by check, whether a run would work, and what prevents it."""
