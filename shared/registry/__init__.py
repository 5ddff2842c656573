"""The registry as all services see it: projects and their life, participants and their names, what belongs to whom."""
