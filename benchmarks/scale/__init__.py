"""Sizes on paper: what each part can do by measurement, and a simulation of days that nobody can run here."""
