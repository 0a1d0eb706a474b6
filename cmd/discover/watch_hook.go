package discover

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/shell"
	"github.com/suokelife/suokectl/pkg/discover"
)

const hookOutput = 32 << 10 // bytes of a command's output that are kept

// hook runs the command of --exec when a set differs from the one that the command was given last.
type hook struct {
	service, command string
	latest           chan discover.Update // at most one: the newest that the command was not given
	results          chan ran
}

// hookInput is what the command reads: the contract of its stdin.
type hookInput struct {
	Time      time.Time           `json:"time"`
	Service   string              `json:"service"`
	Changes   []discover.Change   `json:"changes"`
	Instances []discover.Instance `json:"instances"`
}

// ran says how a run of the command went.
type ran struct {
	output string
	took   time.Duration
	err    error
}

func newHook(service, command string) *hook {
	return &hook{service: service, command: command, latest: make(chan discover.Update, 1), results: make(chan ran, 1)}
}

// offer hands over a set without waiting; one that was not looked at yet is replaced. There is one caller.
func (h *hook) offer(update discover.Update) {
	select {
	case <-h.latest:
	default:
	}
	h.latest <- update
}

// run gives the command what changes, until ctx ends.
func (h *hook) run(ctx context.Context) {
	var given []discover.Instance
	for known := false; ; known = true {
		var update discover.Update
		select {
		case update = <-h.latest:
		case <-ctx.Done():
			return
		}
		changes := discover.Changes(given, update.Instances)
		given = update.Instances
		if h.command == "" || !known || len(changes) == 0 {
			continue
		}
		result := h.give(ctx, hookInput{Time: time.Now().UTC(), Service: h.service, Changes: changes, Instances: given})
		select {
		case h.results <- result:
		case <-ctx.Done():
			select {
			case h.results <- result: // there is room for one that nobody waits for
			default:
			}
			return
		}
	}
}

// give runs the command once. It ends with ctx.
func (h *hook) give(ctx context.Context, input hookInput) ran {
	text, err := json.Marshal(input)
	if err != nil {
		return ran{err: err}
	}
	var output head
	start := time.Now()
	err = shell.Run(ctx, h.command, func(cmd *exec.Cmd) {
		cmd.Stdin = bytes.NewReader(append(text, '\n'))
		cmd.Stdout, cmd.Stderr = &output, &output
		cmd.Env = append(os.Environ(), input.variables()...)
	})
	return ran{output: output.String(), took: time.Since(start), err: err}
}

func (i hookInput) variables() []string {
	passing := 0
	for _, instance := range i.Instances {
		if instance.Health == discover.Passing {
			passing++
		}
	}
	return []string{
		"SUOKECTL_WATCH_SERVICE=" + strings.ReplaceAll(i.Service, "\x00", ""),
		"SUOKECTL_WATCH_CHANGES=" + strconv.Itoa(len(i.Changes)),
		"SUOKECTL_WATCH_INSTANCES=" + strconv.Itoa(len(i.Instances)),
		"SUOKECTL_WATCH_PASSING=" + strconv.Itoa(passing),
	}
}

// tell writes what the command wrote, and how it failed.
func (r ran) tell(ios *iostreams.IOStreams) {
	if text := strings.TrimRight(r.output, "\n"); text != "" {
		ios.Infof("%s", text)
	}
	if r.err != nil {
		ios.Infof("%s", r.line())
	}
}

// line says on one line how it went and what the command wrote last.
func (r ran) line() string {
	lines := strings.Split(strings.TrimSpace(r.output), "\n")
	last := oneLine(lines[len(lines)-1])
	how := fmt.Sprintf("--exec: done in %s", r.took.Round(10*time.Millisecond))
	if r.err != nil {
		how = fmt.Sprintf("--exec failed after %s: %v", r.took.Round(10*time.Millisecond), r.err)
	}
	if last == "" {
		return how
	}
	return how + ": " + last
}

// tellLast tells how the run went that the end of the watch has ended.
func (h *hook) tellLast(ios *iostreams.IOStreams) {
	select {
	case result := <-h.results:
		result.tell(ios)
	default:
	}
}

// head keeps the first bytes that are written to it. A command has one writer, so it needs no lock.
type head struct {
	text []byte
	cut  bool
}

func (h *head) Write(p []byte) (int, error) {
	kept := p[:min(len(p), hookOutput-len(h.text))]
	h.text = append(h.text, kept...)
	h.cut = h.cut || len(kept) < len(p)
	return len(p), nil
}

func (h *head) String() string {
	text := string(h.text)
	if h.cut {
		text += fmt.Sprintf("\n… the rest is left out, beyond %d KiB", hookOutput>>10)
	}
	return text
}
