# SPDX-License-Identifier: BSD-2-Clause
"""Take a walk-through of Documentation/: write its files, run its commands, compare their output. TAP.

    walkthrough.py PAGE.rst FOLDER [BLOCKS]      in FOLDER; the page has at least so many blocks, default 14

A comment ".. walkthrough: WHAT" says what the next literal block is: "file NAME", "run", "fails" or "output".
"""
import os
import re
import subprocess
import sys


def blocks(text):
    """(what, contents, line number) of each marked literal block."""
    lines = text.splitlines()
    found = []
    what = None
    i = 0
    while i < len(lines):
        mark = re.fullmatch(r"\.\. walkthrough: (.+)", lines[i])
        if mark:
            if what:
                sys.exit(f"Bail out! line {i + 1}: no literal block behind the comment before")
            what = mark.group(1)
        elif what and lines[i] == "::":
            i += 1
            start = i
            body = []
            while i < len(lines) and (not lines[i] or lines[i].startswith("    ")):
                body.append(lines[i][4:])
                i += 1
            while body and not body[-1]:
                body.pop()
            while body and not body[0]:
                body.pop(0)
            found.append((what, body, start + 1))
            what = None
            continue
        i += 1
    return found


def squeeze(line):
    return " ".join(line.split())


def expected_lines(body, output):
    """The first expected line that is not, in order, (part of) a line of the output; None when all are."""
    lines = iter(squeeze(line) for line in output.splitlines())
    for want in body:
        if want and not any(squeeze(want) in line for line in lines):
            return want
    return None


def main():
    rst, folder = sys.argv[1:3]
    least = int(sys.argv[3]) if len(sys.argv) > 3 else 14
    marked = blocks(open(rst, encoding="utf-8").read())
    # In the document, code stands nowhere else: a block that lost its mark would not be tested.
    if len(marked) < least:
        sys.exit(f"Bail out! only {len(marked)} marked blocks in {rst}")
    failures = 0
    output = ""
    print(f"1..{len(marked)}")
    for number, (what, body, line) in enumerate(marked, 1):
        trouble = None
        name = f"line {line}: {what}"
        if what.startswith("file "):
            with open(os.path.join(folder, what[5:]), "w", encoding="utf-8") as f:
                f.write("\n".join(body) + "\n")
        elif what in ("run", "fails"):
            name += " " + body[-1].split("SMARTSSD/")[-1]
            p = subprocess.run(["bash", "-ec", "\n".join(body)], cwd=folder, text=True, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
            output = p.stdout
            if p.returncode != (1 if what == "fails" else 0):
                trouble = f"exit {p.returncode}"
            elif "warning:" in output:
                trouble = "a compiler warns"
            elif what == "fails" and not output:
                trouble = "says nothing"
        elif what == "output":
            missing = expected_lines(body, output)
            trouble = missing and f"not printed: {missing}"
        else:
            trouble = "unknown kind of block"
        print(f"{'not ok' if trouble else 'ok'} {number} - {name}")
        if trouble:
            failures += 1
            print("# " + trouble)
            for text in output.splitlines():
                print("#   " + text)
    return failures != 0


sys.exit(main())
