package events

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/pkg/events"
)

// searchedAtOnce is how many topics are read at a time: most are small, and
// what takes long with them is to wait for answers.
const searchedAtOnce = 4

// errEnough ends the scans beside the one that found the last record wanted.
var errEnough = errors.New("enough was found")

// search is one under way.
type search struct {
	client *events.Client
	scan   events.ScanOptions
	filter *filter
	stop   context.CancelCauseFunc

	mu       sync.Mutex // of what follows
	printer  *recordPrinter
	progress *readProgress
	shares   map[string]float64 // how much of a topic is read
	read     int64
	searched int
	broken   error // the output's, which ends the search
}

// run reads the topics. What one of them refuses does not keep the others from
// being searched, and is told in their order.
func (s *search) run(ctx context.Context, topics []string) error {
	ctx, s.stop = context.WithCancelCause(ctx)
	defer s.stop(nil)
	next := make(chan int)
	refused := make([]error, len(topics))
	var readers sync.WaitGroup
	for range min(searchedAtOnce, len(topics)) {
		readers.Go(func() {
			for i := range next {
				refused[i] = s.searchTopic(ctx, topics[i], len(topics))
			}
		})
	}
	for i := range topics {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	readers.Wait()
	switch cause := context.Cause(ctx); {
	case s.broken != nil:
		return s.broken
	case cause != nil && !errors.Is(cause, errEnough):
		return cause
	}
	return errors.Join(refused...)
}

func (s *search) searchTopic(ctx context.Context, topic string, topics int) error {
	scan := s.scan
	scan.Topic, scan.Wanted = topic, s.filter.wanted()
	scan.OnProgress = func(passed, all int64) { s.show(topic, topics, passed, all) }
	scan.OnBatch = s.flush // what is found is shown while the search goes on
	set := func(records iter.Seq[*kgo.Record]) []*page { return s.printer.set(records, s.filter.match) }
	result, err := events.ScanParallel(ctx, s.client, scan, set, s.print)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read += result.Records
	switch {
	case ctx.Err() != nil:
		if errors.Is(context.Cause(ctx), errEnough) {
			s.searched++
		}
		return nil
	case err != nil:
		return fmt.Errorf("search %s: %w", topic, err)
	}
	s.searched++
	return nil
}

func (s *search) print(pages []*page) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.printer.full() {
		return events.ErrStopScan
	}
	err := s.printer.put(pages)
	if errors.Is(err, events.ErrStopScan) {
		s.stop(errEnough)
		return err
	}
	return s.breakOff(err)
}

func (s *search) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.breakOff(s.printer.flush())
}

// breakOff notes that nothing can be printed any more.
func (s *search) breakOff(err error) error {
	if err != nil {
		s.broken = err
		s.stop(err)
	}
	return err
}

func (s *search) show(topic string, topics int, passed, all int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shares[topic] = 1
	if all > 0 {
		s.shares[topic] = float64(passed) / float64(all)
	}
	const whole = 1_000_000
	sum, done := 0.0, 0
	for _, share := range s.shares {
		if sum += share; share == 1 {
			done++
		}
	}
	s.progress.show(fmt.Sprintf("%d of %d topics", done, topics), int64(whole*sum/float64(topics)), whole)
}
