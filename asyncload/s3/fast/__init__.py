"""The fast lane: requests that carry bytes, past the generic client."""
