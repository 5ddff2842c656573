"""STOW-RS (PS3.18 §10.5): instances by HTTP, into the same journal as those that come by C-STORE."""
