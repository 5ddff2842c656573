"""What people keep in REDCap's tables, taken over by the gateway's own api."""
