"""One file per file format; a new file here is found by app.discovery."""
