"""Receives DICOM: an instance is acknowledged once it is safe on disk, and published as soon as the bus can."""
