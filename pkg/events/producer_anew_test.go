package events_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/suokelife/suokectl/pkg/events"
)

// TestATopicThatIsMadeAnewWhileProducing: each event has an outcome, and it is
// true of the topic that there was: what is acknowledged once the new one is
// there is in the new one, to which the producer finds by itself.
func TestATopicThatIsMadeAnewWhileProducing(t *testing.T) {
	for _, gap := range []int{0, 20} { // events that are sent while there is none
		t.Run(fmt.Sprint(gap), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, registeredTopics(2)...)
			p := c.producer(events.ProducerOptions{AckTimeout: 3 * time.Second})
			admin, err := c.client.Admin(c.ctx)
			c.must(err)
			var wg sync.WaitGroup
			var mu sync.Mutex
			outcomes := map[string]error{}
			send := func(prefix string, n int) {
				for i := range n {
					id := fmt.Sprintf("%s-%d", prefix, i)
					wg.Add(1)
					p.Send(c.ctx, keyed(id), func(_ events.Ack, err error) {
						defer wg.Done()
						mu.Lock()
						defer mu.Unlock()
						outcomes[id] = err
					})
				}
			}
			send("old", 50)
			wg.Wait()
			_, err = admin.DeleteTopic(c.ctx, registered)
			c.must(err)
			send("none", gap)
			_, err = admin.CreateTopic(c.ctx, 2, 1, nil, registered)
			c.must(err)
			send("new", 50)
			wg.Wait()
			eventually(c.ctx, t, "the new topic is met", func() bool {
				_, err := p.Produce(c.ctx, keyed("one"))
				return err == nil
			})
			send("later", 50)
			wg.Wait()
			stored := map[string]bool{}
			got, _ := c.read(events.ScanOptions{Topic: registered})
			for _, r := range got {
				e, err := c.client.Conventions().ParseEvent(r.Value)
				c.must(err)
				stored[e.Meta.ID] = true
			}
			acked := map[string]int{}
			for id, err := range outcomes {
				kind := id[:3]
				var rejected *events.RejectedError
				var unknown *events.UnknownOutcomeError
				switch {
				case err == nil:
					acked[kind]++
					if kind != "old" && !stored[id] {
						t.Errorf("%s was acknowledged and is not stored", id)
					}
				case errors.As(err, &rejected), errors.Is(err, events.ErrNotSent):
					if stored[id] {
						t.Errorf("%s is stored, and its outcome is %v", id, err)
					}
				case !errors.As(err, &unknown):
					t.Errorf("%s: %v", id, err)
				}
			}
			if len(outcomes) != 150+gap || acked["old"] != 50 || acked["lat"] != 50 {
				t.Errorf("%d outcomes, acknowledged %v", len(outcomes), acked)
			}
		})
	}
}
