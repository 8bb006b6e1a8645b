"""One thin file per page: PAGE and render()."""
