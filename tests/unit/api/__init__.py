"""The api, without a network."""
