"""What people and programs ask of the gateway over HTTP: REST under /api/v1, STOW-RS under /dicomweb."""
