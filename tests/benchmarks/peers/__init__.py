"""Other people's programs, measured beside ours in environments of their own.

environment.py creates those environments and runs the other modules here in them. These import
nothing of the service, read arguments from the command line, and print JSON.
"""
