#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the manual pages, and the completions of bash, zsh and fish, from what the program itself tells.

usage: manual.py ASSAY VERSION TEMPLATES CONFIGS OUTPUT

TEMPLATES has the pages that say more than the program does, as NAME.in; @WORDS@ in them is what `assay WORDS` lists.
CONFIGS is where configurations are installed, and OUTPUT is the folder that everything is written to.
"""
import os
import re
import subprocess
import sys
from typing import NamedTuple

import completions

# What a launcher or a batch job sets would have the program start MPI; sanitizers may call what MPI keeps a leak.
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMI", "SLURM"))} | {"ASAN_OPTIONS": "detect_leaks=0"}


class Option(NamedTuple):
    letter: str  # "" without
    name: str
    value: str  # "" of a flag
    help: str


class Verb(NamedTuple):
    name: str
    synopsis: str
    summary: str
    about: str
    options: list
    examples: str


def ask(*words):
    return subprocess.run([PROGRAM, *words], env=ENVIRONMENT, check=True, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL).stdout


def read_option(text):
    """One option of `assay help VERB`, with the lines that continue its help."""
    match = re.match(r"  (?:-(\w), )?--([\w-]+)(?: (\S+))?(?:\n| {2,})(.*)", text, re.S)
    letter, name, value, rest = match.groups()
    return Option(letter or "", name, value or "", re.sub(r"\n +", " ", rest.strip()))


def read_verb(name):
    text = ask("help", name)
    head, rest = text.split("\noptions:\n")
    options, examples = rest.split("\nexamples:\n")
    usage, summary, *about = head.strip().split("\n\n")
    return Verb(name, usage.removeprefix(f"usage: assay {name}").strip(), summary, "\n\n".join(about),
                [read_option(option) for option in re.split(r"\n(?=  -)", options.rstrip("\n"))],
                re.sub(r"(?m)^  ", "", examples.rstrip("\n")))


def read_verbs():
    listed = ask("help").split("usage: assay VERB ...")[1].split("\n\n  assay")[0]
    return [read_verb(name) for name in re.findall(r"(?m)^  ([\w-]+) ", listed)]


# ---- roff ----
def roff(text):
    """Text as roff: what stands in `backquotes` is bold."""
    for character, name in (("\\", "\\e"), ("-", "\\-"), ("'", "\\(aq"), ("^", "\\(ha"), ("~", "\\(ti")):  # as they are typed
        text = text.replace(character, name)
    text = text.replace("|+|", "|\\:+|")  # where a line may end in NAS-Bench-201's architectures
    text = re.sub(r"`([^`]+)`", r"\\fB\1\\fR", text)
    return re.sub(r"(?m)^\.", r"\\&.", text)


def verbatim(text):
    return ".nf\n.RS 4\n" + roff(text.replace("`", "\0")).replace("\0", "\\(ga") + "\n.RE\n.fi"


def term(head, text):
    return f".TP\n{head}\n{roff(text)}"


def title(name, section):
    """The title, and that lines are neither filled with blanks nor names broken, which may be copied."""
    return f'.TH {name.upper()} {section} "" "assay {VERSION}" "assay"\n.ad l\n.nh'


def option_head(o):
    value = f" \\fI{roff(o.value)}\\fR" if o.value else ""
    return (f"\\fB\\-{o.letter}\\fR, " if o.letter else "") + f"\\fB\\-\\-{roff(o.name)}\\fR{value}"


def verb_page(verb, verbs):
    others = ", ".join(f"\\fBassay\\-{roff(v.name)}\\fR(1)" for v in verbs if v.name != verb.name)
    return "\n".join([
        title(f"assay-{verb.name}", 1), ".SH NAME", f"assay\\-{roff(verb.name)} \\- {roff(verb.summary)}",
        ".SH SYNOPSIS", f"\\fBassay {roff(verb.name)}\\fR {roff(verb.synopsis)}",
        ".SH DESCRIPTION", roff(verb.about or verb.summary[0].upper() + verb.summary[1:] + "."),
        ".SH OPTIONS", *(term(option_head(o), o.help) for o in verb.options),
        ".SH EXAMPLES", verbatim(verb.examples),
        ".SH SEE ALSO", f"\\fBassay\\fR(1), \\fBassay\\-config\\fR(5), \\fBassay\\-results\\fR(5), {others}", ""])


# ---- lists ----
def list_verbs(verbs):
    return "\n".join(term(f"\\fBassay\\-{roff(v.name)}\\fR(1)", v.summary) for v in verbs)


def list_exits():
    codes = ask("help").split("exit codes: ")[1].replace("\n", " ").strip()
    return "\n".join(term(code, meaning) for code, meaning in re.findall(r"(\d+) (.*?)(?=, \d|$)", codes))


def read_options():
    """Yields (section, key, default, help, domain) of every key."""
    section, notes = "", []
    for line in ask("list", "options").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line.startswith("#"):
            notes.append(line[1:].strip())
        elif line:
            key, default = line.split(" = ", 1)
            yield section, key, default.strip(), " ".join(notes[:-1]), notes[-1].strip("()")
            notes = []


def list_options():
    lines, last = [], None
    for section, key, default, text, domain in read_options():
        if section != last:
            lines.append(f".SS [{roff(section)}]")
        last = section
        lines.append(term(f"\\fB{roff(key)}\\fR = {roff(default)}", f"{text} ({domain})"))
    return "\n".join(lines)


def list_terms(topic):
    """A topic that is listed as names at the beginning of lines, with a text of one or more lines."""
    entries = re.findall(r"(?m)^(\S+)[ \n]+(.*(?:\n +.*)*)", ask("list", topic))
    return "\n".join(term(f"\\fB{roff(name)}\\fR", re.sub(r"\n +", "\0", text)).replace("\0", "\n.br\n") for name, text in entries)


def list_metrics():
    lines = []
    for line in ask("list", "metrics").splitlines():
        if not line.startswith(" "):
            name, text = line.split(": ", 1)
            lines.append(f".SS {roff(name)}\n{roff(text[0].upper() + text[1:])}.")
            continue
        column = re.match(r"  (\S+) +(?:((?:smaller|larger) is better) +)?(\S+) +(.*)", line)
        if column:
            name, better, unit, source = column.groups()
            said = [source] + ([f"Unit: {unit}."] if unit != "1" else []) + ([f"{better.capitalize()}."] if better else [])
            lines.append(term(f"\\fB{roff(name)}\\fR", ". ".join(said[:1]) + ". " + " ".join(said[1:])))
        else:
            lines.append(roff(line.strip()))
    return "\n".join(lines)


# ---- files ----
def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        f.write(re.sub(r"(?m) +$", "", text))  # blanks that an empty default or unit left


def fill(template, lists):
    """The text of a template with its lists."""
    head, *rest = template.split("\n", 1)
    name, section = re.match(r'\.\\" (\S+) (\d)', head).groups()
    return title(name, section) + "\n" + re.sub(r"(?m)^@(\w+)@$", lambda word: lists[word[1]](), rest[0])


def main():
    global PROGRAM, VERSION
    PROGRAM, VERSION, templates, configs, output = sys.argv[1:]
    verbs = read_verbs()
    lists = {"VERBS": lambda: list_verbs(verbs), "EXITS": list_exits, "OPTIONS": list_options, "METRICS": list_metrics,
             "CONFIGS": lambda: roff(configs)} | {topic.upper(): lambda topic=topic: list_terms(topic)
                                                  for topic in ("spaces", "scores", "protocols", "methods", "sources")}
    for verb in verbs:
        write(output, f"assay-{verb.name}.1", verb_page(verb, verbs))
    for name in sorted(os.listdir(templates)):
        if name.endswith(".in"):
            with open(os.path.join(templates, name), encoding="utf-8") as f:
                write(output, name.removesuffix(".in"), fill(f.read(), lists))
    known = completions.Known(verbs, keys=[f"{section}.{key}" for section, key, *_ in read_options()],
                              metrics=re.findall(r"(?m)^(\w+):", ask("list", "metrics")),
                              spaces=re.findall(r"(?m)^(\S+)", ask("list", "spaces")), configs=configs)
    for name, make in (("assay.bash", completions.bash), ("_assay", completions.zsh), ("assay.fish", completions.fish)):
        write(output, name, make(known))


if __name__ == "__main__":
    main()
