"""A page to play with, on this machine only: `egic demo`.

What is shown is decided by functions of this room that know no browser (`opening`,
`painting`, `views`, `numbers`); `app` lays them out with Gradio, and `server` is the
only one that listens.
"""
