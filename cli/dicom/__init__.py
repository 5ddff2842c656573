"""Files to storage SCPs: looked at without decoding, sent by C-STORE."""
