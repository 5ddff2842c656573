"""What the header of one image says, read once: its values, the series JSON's fields, what only Siemens says."""
