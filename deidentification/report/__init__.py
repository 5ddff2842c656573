"""What became of a folder: the account that is stored as JSON, and the page that a data-protection officer reads."""
