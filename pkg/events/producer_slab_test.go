package events_test

import (
	"bytes"
	"runtime"
	"sync"
	"testing"
	"weak"

	"github.com/suokelife/suokectl/pkg/events"
)

// What was acknowledged is not kept by the memory that serves again.
func TestAcknowledgedValuesAreLetGo(t *testing.T) {
	c := newCluster(t, registeredTopics(1)...)
	p := c.producer(events.ProducerOptions{})
	var values []weak.Pointer[byte]
	func() {
		var records []events.Record
		for range 200 {
			value := bytes.Clone(event("e-1"))
			records = append(records, events.Record{Topic: registered, Value: value})
			values = append(values, weak.Make(&value[0]))
		}
		var sent sync.WaitGroup
		sent.Add(len(records))
		p.SendAll(c.ctx, records, func(_ int, _ events.Ack, err error) {
			defer sent.Done()
			if err != nil {
				t.Error(err)
			}
		})
		sent.Wait()
	}()
	eventually(c.ctx, t, "the values are collected", func() bool {
		runtime.GC()
		kept := 0
		for _, v := range values {
			if v.Value() != nil {
				kept++
			}
		}
		return kept < len(values)/10
	})
	runtime.KeepAlive(p)
}
