"""The pages: rendered on the server, with small ES modules of our own for live progress.

pages.py renders every page, static.py serves styles and scripts. Each other module is one page and
does not depend on other pages.
"""
