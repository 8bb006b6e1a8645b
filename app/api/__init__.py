"""HTTP beside Streamlit: sign-in links, health, security middleware."""
