"""The same credentials by each way in, layer by layer."""
