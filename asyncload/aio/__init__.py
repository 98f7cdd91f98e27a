"""Building blocks for asyncio; nothing here depends on S3."""
