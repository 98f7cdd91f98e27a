"""What aioboto3's client is made of."""
