// SPDX-License-Identifier: Apache-2.0
import { Argument, Command } from 'commander';
import type { Finish } from '../command-list.ts';
import type { CliContext } from '../context.ts';
import { examples } from '../options.ts';

/** Each asks the program itself, so that they never know less than it does. Paths are left to the shell. */
const scripts = {
  bash: `# Completion of perigee for bash.
_perigee() {
  local IFS=$'\\n'
  COMPREPLY=($(perigee complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1 | sed '/^:/d'))
}
complete -o default -F _perigee perigee
`,
  zsh: `#compdef perigee
# Completion of perigee for zsh.
_perigee() {
  local -a found
  local line
  for line in "\${(@f)$(perigee complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -z $line || $line == :* ]] || found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( $#found )); then _describe perigee found; else _files; fi
}
compdef _perigee perigee
`,
  fish: `# Completion of perigee for fish.
complete -c perigee -a '(perigee complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null | string match -v -r "^:")'
`,
} as const;

export function completionCommand(context: CliContext, finish: Finish): Command {
  const command = new Command('completion')
    .description(
      'Prints what makes a shell complete commands, flags and their values. For `kubectl perigee` put ' +
        '`kubectl_complete-perigee`, which lies beside `perigee`, into PATH.',
    )
    .addArgument(new Argument('<shell>').choices(Object.keys(scripts)))
    .addHelpText(
      'after',
      examples([
        ['source <(perigee completion bash)', 'For this shell; in ~/.bashrc for every one'],
        ['perigee completion zsh > "${fpath[1]}/_perigee"', 'For zsh'],
        ['perigee completion fish > ~/.config/fish/completions/perigee.fish', 'For fish'],
      ]),
    );
  return command.action((shell: keyof typeof scripts) => {
    context.out(scripts[shell]);
    finish(0);
  });
}
