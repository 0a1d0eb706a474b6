package root

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
)

func newCmdCompletion(f *app.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print the completion script of a shell",
		Long: `Print the script that teaches a shell to complete suokectl's commands, and the
names of contexts, services, methods, topics and rules with them.

  bash        source <(suokectl completion bash)
  zsh         suokectl completion zsh > "${fpath[1]}/_suokectl"
  fish        suokectl completion fish | source
  powershell  suokectl completion powershell | Out-String | Invoke-Expression`,
		Example:   "suokectl completion bash\nsuokectl completion zsh > _suokectl",
		Args:      cobra.ExactArgs(1),
		ValidArgs: shells(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return WriteCompletion(cmd.Root(), args[0], f.IO.Out)
		},
	}
}

func shells() []string { return []string{"bash", "zsh", "fish", "powershell"} }

// WriteCompletion writes the completion script of one shell. An unknown shell
// is a usage error.
func WriteCompletion(root *cobra.Command, shell string, w io.Writer) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w, true)
	case "zsh":
		return root.GenZshCompletion(w)
	case "fish":
		return root.GenFishCompletion(w, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(w)
	default:
		return failure.Usagef("no completion for %q: it is bash, zsh, fish or powershell", shell)
	}
}
