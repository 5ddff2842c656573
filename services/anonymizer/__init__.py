"""The anonymizer: what leaves carries no identity, or does not leave."""
