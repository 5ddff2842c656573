"""The audit: who did, saw or was refused what."""
