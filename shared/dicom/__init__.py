"""What more than one service knows about DICOM."""
