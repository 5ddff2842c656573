"""Of which types an image is: rules in the original's format, and the pure function that follows them."""
