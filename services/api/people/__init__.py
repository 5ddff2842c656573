"""Who may ask: passwords, sessions, tokens, and what follows from them."""
