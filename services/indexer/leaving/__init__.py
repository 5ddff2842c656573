"""What leaves the archive, the catalogue and the memory: by retention, by hand, by the end of a project."""
