"""Sign-in by an OpenID provider, for people without an application around."""
