"""When something may go: decided in one place, for whoever plans a removal and for whoever does it.

whole: is a study, or a transfer, whole where it was to go? facts: what the tables say of that. rows: tables whose rows
have a time. orders: whether people have let the janitor remove anything. links: which links lead nowhere.
"""
