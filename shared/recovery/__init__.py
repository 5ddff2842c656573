"""After a loss: what the archive has and the catalogue has not, what was published and never handled, and a backup."""
