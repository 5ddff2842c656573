"""The router: which project a study belongs to, and what is to be transferred because of it."""
