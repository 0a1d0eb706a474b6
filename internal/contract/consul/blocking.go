package consul

import (
	"context"
	"time"

	"github.com/hashicorp/consul/api"
)

// short is a wait that has time to end; long one that has not.
const (
	short = time.Second
	long  = 5 * time.Minute
)

var blocking = []testCase{
	{"a blocked read wakes on the first instance", func(a *agent) {
		a.wakes(func() { a.registerTTL("", "") }, 1)
	}},
	{"a blocked read wakes on another instance", func(a *agent) {
		a.registerTTL(a.name+"-1", "")
		a.wakes(func() { a.registerTTL(a.name+"-2", "") }, 2)
	}},
	{"a blocked read wakes on a check", func(a *agent) {
		a.registerTTL("", "")
		a.wakes(func() { a.must(a.client.Agent().PassTTL("service:"+a.name, "")) }, 1)
	}},
	{"a blocked read wakes when the last instance goes", func(a *agent) {
		a.registerTTL("", "")
		a.wakes(func() { a.must(a.client.Agent().ServiceDeregister(a.name)) }, 0)
	}},
	{"a blocked read of the catalogue wakes on a service", func(a *agent) {
		a.registerTTL(a.name+"-0", "")
		_, before, err := a.client.Catalog().Service(a.name, "", nil)
		a.must(err)
		done := make(chan *api.QueryMeta, 1)
		ctx, cancel := context.WithTimeout(a.Context(), patience)
		defer cancel()
		go func() {
			query := (&api.QueryOptions{WaitIndex: before.LastIndex, WaitTime: long}).WithContext(ctx)
			_, meta, _ := a.client.Catalog().Service(a.name, "", query)
			done <- meta
		}()
		a.registerTTL(a.name+"-1", "")
		if meta := <-done; meta == nil || meta.LastIndex <= before.LastIndex {
			a.Fatalf("woke with %+v, want an index over %d", meta, before.LastIndex)
		}
	}},
	{"a wait that ends answers with the same index", func(a *agent) {
		a.registerTTL("", "")
		index := a.settled()
		got, meta, took := a.blockFor(index, short)
		a.equal("index", meta.LastIndex, index)
		a.equal("instances", len(got), 1)
		if took < short || took > patience {
			a.Fatalf("waited %v, want %v and up to a sixteenth more", took, short)
		}
	}},
	{"a change elsewhere does not wake", func(a *agent) {
		a.registerTTL("", "")
		index := a.settled()
		other := a.name + "-other"
		a.register(func(r *api.AgentServiceRegistration) { r.Name = other })
		_, meta, took := a.blockFor(index, short)
		a.equal("index", meta.LastIndex, index)
		if took < short {
			a.Fatalf("woke after %v", took)
		}
	}},
	{"registering the same again does not wake", func(a *agent) {
		a.registerTTL("", "", "t")
		a.must(a.client.Agent().PassTTL("service:"+a.name, "fine"))
		a.awaitStatus(api.HealthPassing)
		index := a.settled()
		a.registerTTL("", "", "t")
		_, meta, _ := a.blockFor(index, short)
		a.equal("index", meta.LastIndex, index)
	}},
	{"an index of the past answers at once", func(a *agent) {
		a.registerTTL("", "")
		_, meta, took := a.blockFor(1, long)
		if took > patience || meta.LastIndex <= 1 {
			a.Fatalf("answered after %v with index %d", took, meta.LastIndex)
		}
	}},
	{"an index of the future waits and then tells the present one", func(a *agent) {
		a.registerTTL("", "")
		future := a.settled() + 1_000_000
		got, meta, took := a.blockFor(future, short)
		if took < short || meta.LastIndex >= future {
			a.Fatalf("answered after %v with index %d, want %v and an index under %d", took, meta.LastIndex, short, future)
		}
		a.equal("instances", len(got), 1)
	}},
	{"the index never goes backwards", func(a *agent) {
		last := a.settled()
		for _, change := range []func(){
			func() { a.registerTTL(a.name+"-1", "") },
			func() { a.must(a.client.Agent().PassTTL("service:"+a.name+"-1", "")) },
			func() { a.registerTTL(a.name+"-2", "", "tag") },
			func() { a.must(a.client.Agent().ServiceDeregister(a.name + "-1")) },
			func() { a.must(a.client.Agent().ServiceDeregister(a.name + "-2")) },
			func() { a.registerTTL(a.name+"-3", "") },
		} {
			change()
			index := a.settled()
			if index < last {
				a.Fatalf("index went from %d to %d", last, index)
			}
			last = index
		}
	}},
}

// settled is the index of the case's service.
func (a *agent) settled() uint64 {
	a.Helper()
	_, meta, err := a.client.Health().Service(a.name, "", false, nil)
	a.must(err)
	return meta.LastIndex
}

func (a *agent) blockFor(index uint64, wait time.Duration) ([]*api.ServiceEntry, *api.QueryMeta, time.Duration) {
	a.Helper()
	start := time.Now()
	query := (&api.QueryOptions{WaitIndex: index, WaitTime: wait}).WithContext(a.Context())
	got, meta, err := a.client.Health().Service(a.name, "", false, query)
	a.must(err)
	return got, meta, time.Since(start)
}

// wakes makes a change beside a blocked read and expects the read to end with that many instances.
func (a *agent) wakes(change func(), instances int) {
	a.Helper()
	index := a.settled()
	done := make(chan struct{})
	go func() {
		defer close(done)
		change()
	}()
	defer func() { <-done }()
	ctx, cancel := context.WithTimeout(a.Context(), patience)
	defer cancel()
	for {
		query := (&api.QueryOptions{WaitIndex: index, WaitTime: long}).WithContext(ctx)
		got, meta, err := a.client.Health().Service(a.name, "", false, query)
		a.must(err)
		if meta.LastIndex <= index {
			a.Fatalf("woke with index %d, want one over %d", meta.LastIndex, index)
		}
		if len(got) == instances {
			return
		}
		index = meta.LastIndex
	}
}
