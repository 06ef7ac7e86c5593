"""The HTTP API. service/app.py builds it; each module here is one part and knows no other's."""
