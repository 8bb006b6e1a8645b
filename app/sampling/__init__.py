"""One file per pair-sampling strategy; a new file here is found by app.discovery."""
