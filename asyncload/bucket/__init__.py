"""The contents of the bucket before anything is sent."""
