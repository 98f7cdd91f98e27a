"""The fast lane: uploads over a faster code path than the generic S3 client."""
