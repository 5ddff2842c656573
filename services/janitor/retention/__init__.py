"""What has had its time, by the policies: one module for each reason why something goes."""
