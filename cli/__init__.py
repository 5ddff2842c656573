"""`fiona`: the gateway from a terminal. Everything goes over REST and C-STORE, as anybody else's program would."""
