//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api"
	"golang.org/x/sync/errgroup"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/discover"
)

const (
	listed   = 10_000
	listGoal = 1.3 // × encoding/json on the same reply
)

// list has a real Consul tell of 10,000 instances, and then decodes that reply from memory by encoding/json into the
// types of Consul's API, and lists it by a client from a server that sends nothing else.
func list(ctx context.Context, b bench) error {
	var reply []byte
	err := b.consul(func(server *testenv.ConsulServer) (err error) {
		if err := fillCatalogue(ctx, server.Addr); err != nil {
			return err
		}
		reply, err = get(ctx, "http://"+server.Addr+"/v1/health/service/big")
		return err
	})
	if err != nil {
		return err
	}
	address, stop, err := replay(reply)
	if err != nil {
		return err
	}
	defer stop()
	client, err := discover.New(discover.Config{Address: address})
	if err != nil {
		return err
	}
	defer client.Close() //nolint:errcheck // it never fails
	var ours, theirs []time.Duration
	for range max(3, b.runs/4) {
		start := time.Now()
		var entries []*api.ServiceEntry
		if err := json.NewDecoder(bytes.NewReader(reply)).Decode(&entries); err != nil || len(entries) != listed {
			return fmt.Errorf("decoded %d instances: %w", len(entries), err)
		}
		theirs = append(theirs, time.Since(start))
		start = time.Now()
		instances, err := client.Instances(ctx, "big", discover.Query{Tags: []string{"prod"}})
		if err != nil || len(instances) != listed {
			return fmt.Errorf("listed %d instances: %w", len(instances), err)
		}
		ours = append(ours, time.Since(start))
	}
	fmt.Fprintf(b.out, "%d instances in %.1f MiB (median of %d)  Instances %v, encoding/json %v\n",
		listed, float64(len(reply))/(1<<20), len(ours), middle(ours), middle(theirs))
	return b.verdict("Instances to encoding/json", float64(middle(ours))/float64(middle(theirs)), listGoal, " ×")
}

// fillCatalogue registers the instances on a hundred nodes that have no agent.
func fillCatalogue(ctx context.Context, address string) error {
	client, err := api.NewClient(&api.Config{Address: address})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range listed {
		group.Go(func() error {
			id := "big-" + strconv.Itoa(i)
			node := "node-" + strconv.Itoa(i%100)
			_, err := client.Catalog().Register(&api.CatalogRegistration{
				Node: node, Address: "10.0.0." + strconv.Itoa(i%100), SkipNodeUpdate: i >= 100,
				Service: &api.AgentService{
					ID: id, Service: "big", Address: "10.0.0." + strconv.Itoa(i%100), Port: 1024 + i,
					Tags: []string{"prod", "eu"}, Meta: map[string]string{"version": "v1", "team": "core"},
				},
				Check: &api.AgentCheck{
					Node: node, CheckID: "service:" + id, Name: "Service 'big' check", Status: api.HealthPassing,
					Output: "HTTP GET http://10.0.0.1/health: 200 OK Output: ", ServiceID: id,
				},
			}, (&api.WriteOptions{}).WithContext(ctx))
			return err
		})
	}
	return group.Wait()
}

func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// replay serves one reply to everything.
func replay(reply []byte) (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Consul-Index", "1")
		_, _ = w.Write(reply)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // it ends when it is closed
	}()
	return listener.Addr().String(), func() {
		_ = server.Close()
		<-done
	}, nil
}
