"""What the Standard says: the tables of PS3.15 Annex E, the data dictionary, and what was reviewed beside them."""
