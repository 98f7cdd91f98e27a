"""Parts for asyncio that know nothing of S3."""
