"""The exit codes of `rotator`, the same for every command."""

OK = 0
"""Done, and nothing needs a person."""

ATTENTION = 1
"""Something failed, was not done, or needs a person; the output says what."""

USAGE = 2
"""The command line or the configuration is wrong; nothing was tried."""

EPILOG = (
    "Exit codes: 0 done and nothing needs a person; 1 something failed, was not done, or needs a person; "
    "2 the command line or the configuration is wrong, nothing was tried."
)
