"""Raw files and images from the web."""
