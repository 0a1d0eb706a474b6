package dlq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// ReplayOptions say what to replay and how.
type ReplayOptions struct {
	Selection Selection
	// Owner names this run in its claim, so that others can say who is at work. Default: a random name.
	Owner string
	// TakeOver fences another run that is at work, instead of refusing.
	TakeOver bool
	// Progress, when set, is called after each transaction, never twice at a time. It must not block.
	Progress func(Progress)
}

// Progress is how far a replay has come.
type Progress struct {
	Replayed int64 // committed
	Read     int64 // letters looked at
	Total    int64 // at most; what compaction and markers left out is counted too
}

// Result is what a replay did. It is filled as far as the run came, with an error too.
type Result struct {
	Topic      string            `json:"topic"`
	Ledger     string            `json:"ledger"`
	Replayed   int64             `json:"replayed"`
	Already    int64             `json:"already"`    // selected, and replayed before by this or another run
	Unselected int64             `json:"unselected"` // not selected
	Skipped    map[string]int64  `json:"skipped"`    // selected, by the reason why they cannot be replayed
	Targets    map[string]int64  `json:"targets"`    // what was produced, by target
	Partitions []PartitionResult `json:"partitions"`
}

// PartitionResult is the part of one partition.
type PartitionResult struct {
	Partition int32  `json:"partition"`
	Replayed  int64  `json:"replayed"`
	State     string `json:"state"` // done, fenced, or failed
	Error     string `json:"error,omitempty"`
}

// The states of a partition's replay.
const (
	StateDone   = "done"
	StateFenced = "fenced"
	StateFailed = "failed"
)

// maxParallel bounds how many partitions are replayed at a time; each has two clients.
const maxParallel = 8

// Replay produces the selected letters that are in the topic at present to the topics they came from, exactly once (see
// the package's documentation). It returns a *ClaimedError, with nothing done, when another run is at work and TakeOver
// is not set; else the joined errors of the partitions that did not end well, among them *FencedError,
// *HangingTransactionError and ErrRecreated. When ctx ends, open transactions are ended and claims released within ten seconds.
func (c *Client) Replay(ctx context.Context, name string, opts ReplayOptions) (Result, error) {
	if opts.Owner == "" {
		opts.Owner = "run-" + rand.Text()[:8]
	}
	run, err := c.prepare(ctx, name, opts)
	if err != nil {
		return Result{Topic: name, Skipped: map[string]int64{}, Targets: map[string]int64{}, Partitions: []PartitionResult{}}, err
	}
	var group errgroup.Group
	group.SetLimit(maxParallel)
	for _, p := range run.topic.partitions {
		if _, ok := run.letters[p]; ok {
			group.Go(func() error {
				run.partition(ctx, p)
				return nil
			})
		}
	}
	_ = group.Wait() // each partition's error is in the run
	return run.finish()
}

// run is one replay of one topic.
type run struct {
	client  *Client
	opts    ReplayOptions
	topic   topic
	letters map[int32]span // taken before the start, so that new failures are not chased
	targets targets

	mu       sync.Mutex
	result   Result
	errs     []error
	progress Progress
}

func (c *Client) prepare(ctx context.Context, name string, opts ReplayOptions) (*run, error) {
	t, err := c.describe(ctx, name)
	if err != nil {
		return nil, err
	}
	letters, err := c.spans(ctx, name)
	if err != nil {
		return nil, err
	}
	targets, err := c.targets(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.ensureLedger(ctx, t); err != nil {
		return nil, err
	}
	if !opts.TakeOver {
		if err := c.refuseClaimed(ctx, t, letters); err != nil {
			return nil, err
		}
	}
	r := &run{client: c, opts: opts, topic: t, letters: letters, targets: targets, result: Result{
		Topic: name, Ledger: t.ledger(), Skipped: map[string]int64{}, Targets: map[string]int64{}, Partitions: []PartitionResult{},
	}}
	for _, s := range letters {
		r.progress.Total += s.end - s.start
	}
	return r, nil
}

// refuseClaimed looks at the claims of all partitions before any of them is fenced.
func (c *Client) refuseClaimed(ctx context.Context, t topic, letters map[int32]span) error {
	books, err := c.books(ctx, t)
	if err != nil {
		return err
	}
	for _, p := range slices.Sorted(maps.Keys(letters)) {
		if held := books[p].claim; held.alive() {
			return &ClaimedError{Topic: t.name, Partition: p, Owner: held.Owner, Heartbeat: held.At}
		}
	}
	return nil
}

// maxAttempts is how often a partition is begun, in all: brokers restart, and leaders move.
const maxAttempts = 3

// partition replays one partition and notes how it ended. After a failure it claims the partition anew, which reads the
// ledger anew, and goes on behind what was committed; after it was fenced it does not.
func (r *run) partition(ctx context.Context, p int32) {
	left := r.letters[p]
	out := PartitionResult{Partition: p, State: StateDone}
	var err error
	for n := range maxAttempts {
		var replayed int64
		replayed, err = r.attempt(ctx, p, &left, n > 0)
		out.Replayed += replayed
		if err == nil || isFinal(err) || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		out.State, out.Error = StateFailed, err.Error()
		var fenced *FencedError
		if errors.As(err, &fenced) {
			out.State = StateFenced
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Partitions = append(r.result.Partitions, out)
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("replay %s partition %d: %w", r.topic.name, p, err))
	}
}

// isFinal reports errors that beginning anew would not mend.
func isFinal(err error) bool {
	var fenced *FencedError
	var hanging *HangingTransactionError
	return errors.As(err, &fenced) || errors.As(err, &hanging) || errors.Is(err, ErrRecreated)
}

// attempt moves left as far as it comes.
func (r *run) attempt(ctx context.Context, p int32, left *span, again bool) (replayed int64, err error) {
	if again {
		if err := r.stillOurs(ctx, p); err != nil {
			return 0, err
		}
	}
	w, err := r.claim(ctx, p)
	if err != nil {
		return 0, err
	}
	defer w.release()
	err = w.replay(ctx, left)
	return w.replayed, err
}

// stillOurs is asked before a partition is claimed anew, so that a run does not take back what another took over.
func (r *run) stillOurs(ctx context.Context, p int32) error {
	books, err := r.client.books(ctx, r.topic)
	if err != nil {
		return err
	}
	if held := books[p].claim; held.alive() && held.Owner != r.opts.Owner {
		return &FencedError{Topic: r.topic.name, Partition: p, Owner: held.Owner, Err: errors.New("it claimed the partition meanwhile")}
	}
	return nil
}

// sameTopic is asked after letters were read and before they are replayed: a client stays with the id that it found a
// topic under, so letters that were read before belong to the topic of this run, and to its ledger.
func (r *run) sameTopic(ctx context.Context) error {
	now, err := r.client.describe(ctx, r.topic.name)
	if err == nil && now.id != r.topic.id {
		err = fmt.Errorf("%s: %w", r.topic.name, ErrRecreated)
	}
	return err
}

// tally is what one batch came to.
type tally struct {
	read, already, unselected int64
	skipped                   map[string]int64
	targets                   map[string]int64
	replayed                  int64
}

func (r *run) add(t tally) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Replayed += t.replayed
	r.result.Already += t.already
	r.result.Unselected += t.unselected
	for reason, n := range t.skipped {
		r.result.Skipped[reason] += n
	}
	for target, n := range t.targets {
		r.result.Targets[target] += n
	}
	r.progress.Read += t.read
	r.progress.Replayed += t.replayed
	if r.opts.Progress != nil {
		r.opts.Progress(r.progress)
	}
}

func (r *run) finish() (Result, error) {
	slices.SortFunc(r.result.Partitions, func(a, b PartitionResult) int { return int(a.Partition - b.Partition) })
	return r.result, errors.Join(r.errs...)
}
