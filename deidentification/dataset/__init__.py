"""The dataset as encoded bytes: read, walked under the rules, written."""
