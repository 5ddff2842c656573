"""The registry's clock: what happens to projects because time goes by, and the mails that tell people so."""
