"""What a person sees: pages rendered here, brought to life by small ES modules of our own.

pages.py renders and frames every page, language.py has the words, static.py hands out style and
scripts; each of the others is one page and knows no other's.
"""
