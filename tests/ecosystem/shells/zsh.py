"""Types into a zsh of its own, presses the key that completes, and prints the line that it has made of it.

The first argument is the folder that holds the completions, the second what is typed.
"""

import os
import pty
import signal
import sys

# A shell that asks something back would wait for ever.
signal.alarm(30)

folder, typed = sys.argv[1:]

# What the line has become is printed when the last key is pressed, and the shell ends.
SETTINGS = f"""
PS1=
fpath=({folder} $fpath)
autoload -Uz compinit
compinit -u -D
tell() {{ print -r -- "<$BUFFER>"; exit }}
zle -N tell
bindkey '^X' tell
print ready
"""

with open(os.path.join(folder, ".zshrc"), "w") as settings:
    settings.write(SETTINGS)

child, terminal = pty.fork()
if child == 0:
    os.environ |= {"ZDOTDIR": folder, "TERM": "dumb"}
    os.execvp("zsh", ["zsh", "-i", "--no-globalrcs"])


def read_until(mark):
    seen = b""
    while mark not in seen:
        seen += os.read(terminal, 4096)
    return seen


read_until(b"ready")
os.write(terminal, typed.encode() + b"\t\x18")
seen = read_until(b">")
print(seen[seen.rindex(b"<") + 1 : seen.rindex(b">")].decode().strip())
os.close(terminal)
os.waitpid(child, 0)
