"""What stands inside: report trees, codes, drawings, short texts, documents, each treated as what it is."""
