"""From what is owed to lines, from lines to instances and batches, from batches to imports."""
