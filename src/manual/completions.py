# SPDX-License-Identifier: Apache-2.0
"""Completions of bash, zsh and fish, as texts, of verbs as manual.py reads them."""
import re
from typing import NamedTuple


class Known(NamedTuple):
    verbs: list
    keys: list
    metrics: list
    spaces: list
    configs: str  # the folder of installed configurations

    def topics(self):
        about = next(verb.about for verb in self.verbs if verb.name == "list")
        return re.findall(r"\b[a-z]+\b", re.search(r"Topics are(.*?)\.", about, re.S)[1].replace(" and", ""))


def kind(value):
    """What a value or a position may be: dir, file, config, metrics, keys, space, topic, verb, a list of words, or None."""
    if re.fullmatch(r"[a-z0-9-]+(\|[a-z0-9-]+)+", value):
        return value.split("|")
    for start, what in (("DIR", "dir"), ("FILE", "file"), ("TABLE", "file"), ("RESULTS", "file"), ("NAMES", "metrics"), ("LIST", "metrics"),
                        ("SECTION.KEY", "keys"), ("CONFIG", "config"), ("SPACE", "space"), ("TOPIC", "topic"), ("VERB", "verb")):
        if value.startswith(start):
            return what
    return None


def position(verb):
    """The kind of a verb's first position."""
    first = verb.synopsis.split(" ")[0]
    what = kind(first)
    return "file" if what == "dir" and "|" in first else what


def words_of(known, what):
    """The words of a kind that has a fixed list of them, or None."""
    if isinstance(what, list):
        return what
    return {"metrics": known.metrics, "space": known.spaces, "topic": known.topics(),
            "verb": [verb.name for verb in known.verbs]}.get(what)


# ---- bash ----
BASH = r"""# Completion of assay for bash; made by src/manual/completions.py.
_assay_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word"); }
_assay_paths() { compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen "$1" -- "$word"); }
_assay_configs()
{
    local name installed=
    for name in "@CONFIGS@"/*.ini; do
        name=${name##*/}
        installed+=" ${name%.ini}"
    done
    _assay_paths -f
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$installed" -- "$word")
}
_assay()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    # bash takes --option=value for three words.
    if [ "$word" = "=" ]; then
        word=
    elif [ "$before" = "=" ]; then
        before=${COMP_WORDS[COMP_CWORD-2]}
    fi
    if [ "$COMP_CWORD" -eq 1 ]; then
        _assay_words "@VERBS@ help --help --version"
        return
    fi
    case "${COMP_WORDS[1]} $before" in
@VALUES@
    esac
    case "$COMP_CWORD ${COMP_WORDS[1]} $word" in
@OPTIONS@
@POSITIONS@
    *) _assay_paths -f ;;
    esac
}
complete -F _assay assay
"""


def bash_action(known, what):
    words = words_of(known, what)
    if words:
        return f'_assay_words "{" ".join(words)}"'
    if what == "keys":
        return f'compopt -o nospace 2>/dev/null; _assay_words "{" ".join(key + "=" for key in known.keys)}"'
    return {"dir": "_assay_paths -d", "file": "_assay_paths -f", "config": "_assay_configs"}.get(what, ":")


def bash(known):
    values, options, positions = {}, [], []
    for verb in known.verbs:
        for o in verb.options:
            if o.value:
                heads = [f'"{verb.name} --{o.name}"'] + ([f'"{verb.name} -{o.letter}"'] if o.letter else [])
                values.setdefault(bash_action(known, kind(o.value)), []).extend(heads)
        options.append(f'    *" {verb.name} -"*) _assay_words "{" ".join("--" + o.name for o in verb.options)}" ;;')
        positions.append(f'    "2 {verb.name} "*) {bash_action(known, position(verb))} ;;')
    positions.append(f'    "2 help "*) {bash_action(known, "verb")} ;;')
    return (BASH.replace("@CONFIGS@", known.configs).replace("@VERBS@", " ".join(verb.name for verb in known.verbs))
            .replace("@VALUES@", "\n".join(f"    {' | '.join(heads)}) {action}; return ;;" for action, heads in values.items()))
            .replace("@OPTIONS@", "\n".join(options)).replace("@POSITIONS@", "\n".join(positions)))


# ---- zsh ----
ZSH = r"""#compdef assay
# Completion of assay for zsh; made by src/manual/completions.py.
_assay_configs() {
    local -a installed=("@CONFIGS@"/*.ini(N:t:r))
    _alternative 'files:file:_files' "configurations:installed configuration:(${installed[*]})"
}
_assay() {
    local -a verbs=(
@VERBS@
        'help:tell about a verb'
    )
    if (( CURRENT == 2 )); then
        _describe verb verbs
        return
    fi
    local verb=$words[2]
    shift words
    (( CURRENT-- ))
    case $verb in
@CASES@
    help) _arguments '1:verb:(@NAMES@)' ;;
    esac
}
_assay "$@"
"""


def zsh_quote(text):
    """Text within '...' of an argument's specification."""
    return re.sub(r"([\[\]:\\])", r"\\\1", text).replace("'", "'\\''")


def zsh_action(known, what):
    words = words_of(known, what)
    if words:
        return f"({' '.join(words)})"
    if what == "keys":
        return f"compadd -S = -- {' '.join(known.keys)}"
    return {"dir": "_files -/", "file": "_files", "config": "_assay_configs"}.get(what, " ")


def zsh_option(known, o):
    value = f":{zsh_quote(o.value)}:{zsh_action(known, kind(o.value))}" if o.value else ""
    heads = f"'(-{o.letter} --{o.name})'{{-{o.letter}{'+' if value else ''},--{o.name}{'=' if value else ''}}}" if o.letter else ""
    many = "*" if o.value.startswith("SECTION") else ""
    return (heads or f"'{many}--{o.name}{'=' if value else ''}'") + f"'[{zsh_quote(o.help)}]{value}'"


def zsh(known):
    cases = []
    for verb in known.verbs:
        specs = [zsh_option(known, o) for o in verb.options] + [f"'1:{zsh_quote(verb.synopsis.split(' ')[0])}:{zsh_action(known, position(verb))}'",
                                                                "'*:: :_files'"]
        cases.append(f"    {verb.name}) _arguments -s \\\n        " + " \\\n        ".join(specs) + " ;;")
    return (ZSH.replace("@CONFIGS@", known.configs)
            .replace("@VERBS@", "\n".join(f"        '{verb.name}:{zsh_quote(verb.summary)}'" for verb in known.verbs))
            .replace("@CASES@", "\n".join(cases)).replace("@NAMES@", " ".join(verb.name for verb in known.verbs)))


# ---- fish ----
FISH = """# Completion of assay for fish; made by src/manual/completions.py.
function __assay_configs
    for file in "@CONFIGS@"/*.ini
        string replace -r '.*/(.*)[.]ini$' '$1' -- $file
    end
    __fish_complete_suffix .ini
end
complete -c assay -n __fish_use_subcommand -f -a help -d 'tell about a verb'
complete -c assay -n __fish_use_subcommand -f -l version -d 'tell how this program was built'
"""


def fish_quote(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish_action(known, what):
    """Options of `complete` for a value or a position of that kind."""
    words = words_of(known, what)
    if words:
        return "-f -a " + fish_quote(" ".join(words))
    if what == "keys":
        return "-f -a " + fish_quote(" ".join(key + "=" for key in known.keys))
    return {"dir": "-f -a '(__fish_complete_directories)'", "file": "-F", "config": "-f -a '(__assay_configs)'"}.get(what, "-f")


def fish(known):
    lines = []
    for verb in known.verbs:
        seen = f"complete -c assay -n '__fish_seen_subcommand_from {verb.name}'"
        lines.append(f"complete -c assay -n __fish_use_subcommand -f -a {verb.name} -d {fish_quote(verb.summary)}")
        lines.append(f"{seen} {fish_action(known, position(verb))}")
        for o in verb.options:
            letter = f" -s {o.letter}" if o.letter else ""
            value = f" -r {fish_action(known, kind(o.value))}" if o.value else ""
            lines.append(f"{seen}{letter} -l {o.name}{value} -d {fish_quote(o.help)}")
    lines.append("complete -c assay -n '__fish_seen_subcommand_from help' " + fish_action(known, "verb"))
    return FISH.replace("@CONFIGS@", known.configs) + "\n".join(lines) + "\n"
