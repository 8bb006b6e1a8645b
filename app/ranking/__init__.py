"""One file per ranking method; a new file here is found by app.discovery."""
