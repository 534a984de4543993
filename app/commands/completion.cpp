// Completion scripts, written from the same declarations that the parser uses: they cannot disagree with it.
#include <CLI/CLI.hpp>

#include <algorithm>

#include "app/commands/commands.h"
#include "app/commands/options.h"

namespace flextron::cli {

namespace {

/// The values of an option whose type is written "a|b|c"; none when it takes a number, a text or a file.
std::vector<std::string> closedValues(const CLI::Option& option)
{
    const std::string type = option.get_type_name();
    std::vector<std::string> values;
    std::istringstream stream(type);
    for (std::string value; std::getline(stream, value, '|');) {
        value = value.substr(0, value.find('['));
        const bool word = !value.empty() && std::all_of(value.begin(), value.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        });
        if (!word) return {};
        values.push_back(value);
    }
    return values.size() > 1 ? values : std::vector<std::string>{};
}

std::vector<const CLI::Option*> namedOptions(const CLI::App& command)
{
    std::vector<const CLI::Option*> named;
    for (const CLI::Option* option : command.get_options())
        if (!option->get_lnames().empty()) named.push_back(option);
    return named;
}

std::string joined(const std::vector<std::string>& words)
{
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

/// Inside single quotes of a shell.
std::string quoted(std::string text)
{
    std::string safe;
    for (const char c : text) safe += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return "'" + safe + "'";
}

std::vector<const CLI::App*> commandsOf(const CLI::App& program)
{
    return program.get_subcommands([](const CLI::App*) { return true; });
}

std::string bashScript(const CLI::App& program)
{
    std::vector<std::string> names;
    std::string cases, values;
    for (const auto* command : commandsOf(program)) {
        names.push_back(command->get_name());
        std::vector<std::string> options;
        for (const auto* option : namedOptions(*command)) {
            options.push_back("--" + option->get_lnames().front());
            const auto closed = closedValues(*option);
            const std::string line = "        " + options.back() + ") COMPREPLY=($(compgen -W " +
                                     quoted(joined(closed)) + " -- \"$word\")); return ;;\n";
            if (!closed.empty() && values.find(line) == std::string::npos) values += line;
        }
        cases += "        " + command->get_name() + ") options=" + quoted(joined(options)) + " ;;\n";
    }
    return "_flextron()\n{\n"
           "    local word=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\" options=\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        COMPREPLY=($(compgen -W " +
           quoted(joined(names) + " --help --version") + " -- \"$word\"))\n        return\n    fi\n" +
           "    case \"$before\" in\n" + values + "    esac\n    case \"${COMP_WORDS[1]}\" in\n" + cases +
           "    esac\n    case \"$word\" in\n        -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
           "        *) compopt -o filenames; COMPREPLY=($(compgen -f -- \"$word\")) ;;\n    esac\n}\n"
           "complete -F _flextron flextron\n";
}

/// A description inside a bracket of zsh's _arguments.
std::string bracketed(const std::string& text)
{
    std::string safe;
    for (const char c : text)
        safe += c == '[' || c == ']' || c == ':' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    return safe;
}

std::string zshScript(const CLI::App& program)
{
    std::string list, cases;
    for (const auto* command : commandsOf(program)) {
        list += "        " + quoted(command->get_name() + ":" + command->get_description()) + "\n";
        cases += "        " + command->get_name() + ")\n            _arguments";
        for (const auto* option : namedOptions(*command)) {
            std::string entry = "--" + option->get_lnames().front() + "[" + bracketed(option->get_description()) + "]";
            const auto closed = closedValues(*option);
            if (!closed.empty()) entry += ":value:(" + joined(closed) + ")";
            else if (option->get_items_expected_max() > 0) entry += ":value:_files";
            cases += " \\\n                " + quoted(entry);
        }
        cases += " \\\n                '*:file:_files' ;;\n";
    }
    return "#compdef flextron\n_flextron()\n{\n    local -a commands=(\n" + list +
           "    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n"
           "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n" +
           cases + "    esac\n}\ncompdef _flextron flextron\n";
}

std::string fishScript(const CLI::App& program)
{
    std::string script;
    for (const auto* command : commandsOf(program)) {
        script += "complete -c flextron -n __fish_use_subcommand -a " + command->get_name() + " -d " +
                  quoted(command->get_description()) + "\n";
        for (const auto* option : namedOptions(*command)) {
            script += "complete -c flextron -n '__fish_seen_subcommand_from " + command->get_name() + "' -l " +
                      option->get_lnames().front();
            if (!option->get_snames().empty()) script += " -s " + option->get_snames().front();
            const auto closed = closedValues(*option);
            if (!closed.empty()) script += " -x -a " + quoted(joined(closed));
            else if (option->get_items_expected_max() > 0) script += " -r";
            script += " -d " + quoted(option->get_description()) + "\n";
        }
    }
    return script;
}

} // namespace

Run declareCompletion(CLI::App& command)
{
    auto shell = std::make_shared<std::string>();
    addChoice(command, "SHELL", *shell, "bash|zsh|fish", "the shell to write a completion script for")->required();
    command.footer("Examples:\n  source <(flextron completion bash)\n  flextron completion fish > "
                   "~/.config/fish/completions/flextron.fish");
    const CLI::App* program = command.get_parent();
    return [shell, program](Console& console) {
        console.print(*shell == "bash"  ? bashScript(*program)
                      : *shell == "zsh" ? zshScript(*program)
                                        : fishScript(*program));
        return int(kDone);
    };
}

} // namespace flextron::cli
