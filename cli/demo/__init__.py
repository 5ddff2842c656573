"""The demo: real DICOM through the whole gateway on one machine, every instance accounted for."""
