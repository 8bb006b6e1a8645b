"""Use cases, one transaction each, in plain values: no streamlit, no SQL."""
