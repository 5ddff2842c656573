"""Coupling lists: a file becomes rows, rows are checked whole, and only then is anything taken.

encoding, columns, cells, reading: from bytes to rows. checks, likeness, once: what is wrong with a row by itself and
beside the others. standing, taking: beside what is in force, and into it. sweep: what has expired. pages: a part of it.
"""
