"""Other people's scanners: whatever they find is repaired, or acknowledged with its reason beside the thing."""
