"""The whole gateway as its users meet it."""
