"""Other people's programs, measured beside ours in environments of their own.

environment.py makes those environments and runs the other modules here in them: these import
nothing of the service, take their orders from the command line, and print JSON.
"""
