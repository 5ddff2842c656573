"""The service that looks whether all is well, and says so when it is not."""
