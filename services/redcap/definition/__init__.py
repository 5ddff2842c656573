"""What a REDCap project defines, what of it we need and it lacks, and what of that may be added."""
