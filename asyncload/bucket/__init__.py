"""What is in the bucket before anything is sent."""
