package consul

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/consul/api"
)

const (
	version       = "1.19.2" // whose behaviour the contract is held against
	serfCheck     = "serfHealth"
	serverService = "consul" // every server registers itself under this name
)

// Options say how the server is started. The zero value is good.
type Options struct {
	Addr       string // host:port to listen on; default 127.0.0.1:0, a free port
	DNSAddr    string // host:port of the DNS interface, UDP and TCP; default 127.0.0.1:0, a free port
	Node       string // the agent's node name; default "lab"
	Datacenter string // default "dc1"

	ReapInterval   time.Duration // how often critical services are looked at; default 30 s
	MinDeregister  time.Duration // least time a service stays critical before it is deregistered; default 1 min
	UpdateInterval time.Duration // about how late new output of an old status reaches the catalogue; default 5 min
}

func (o Options) withDefaults() Options {
	text := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	span := func(field *time.Duration, value time.Duration) {
		if *field == 0 {
			*field = value
		}
	}
	text(&o.Addr, "127.0.0.1:0")
	text(&o.DNSAddr, "127.0.0.1:0")
	text(&o.Node, "lab")
	text(&o.Datacenter, "dc1")
	span(&o.ReapInterval, 30*time.Second)
	span(&o.MinDeregister, time.Minute)
	span(&o.UpdateInterval, 5*time.Minute)
	return o
}

// Server is a running agent. Its methods are safe for concurrent use.
type Server struct {
	options Options
	addr    string
	dns     string
	store   *store
	http    *http.Server

	ctx     context.Context // ends when the server closes
	cancel  context.CancelFunc
	running sync.WaitGroup // every goroutine of the server
}

// Start listens and serves until Close. State is in memory: a server that is started again knows nothing.
func Start(options Options) (*Server, error) {
	options = options.withDefaults()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", options.Addr)
	if err != nil {
		return nil, fmt.Errorf("start the lab's Consul: %w", err)
	}
	s := &Server{options: options, addr: listener.Addr().String(), store: newStore(agentNode(options))}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.registerSelf()
	if err := s.startDNS(); err != nil {
		s.cancel()
		return nil, errors.Join(err, listener.Close())
	}
	s.http = &http.Server{Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second}
	s.running.Go(func() { _ = s.http.Serve(listener) }) // always ErrServerClosed, by Close
	s.running.Go(s.housekeep)
	return s, nil
}

// Addr is the address that the server listens on, as host:port.
func (s *Server) Addr() string { return s.addr }

// DNS is the address of the DNS interface, as host:port; it is the same over UDP and TCP.
func (s *Server) DNS() string { return s.dns }

// Close ends blocked reads and checks, and returns when every goroutine of the server is gone.
func (s *Server) Close() error {
	s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil { // a client holds a connection open that it says nothing on
		err = s.http.Close()
	}
	s.running.Wait()
	return err
}

func agentNode(options Options) api.Node {
	const address = "127.0.0.1"
	return api.Node{
		ID: uuid.NewSHA1(uuid.NameSpaceDNS, []byte(options.Node)).String(), Node: options.Node, Address: address,
		Datacenter:      options.Datacenter,
		TaggedAddresses: map[string]string{"lan": address, "lan_ipv4": address, "wan": address, "wan_ipv4": address},
		Meta:            map[string]string{"consul-network-segment": "", "consul-version": version},
	}
}

// registerSelf puts into the catalogue what a server puts there about itself.
func (s *Server) registerSelf() {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.store.putService(&api.AgentService{
		ID: serverService, Service: serverService, Port: 8300, Tags: []string{}, Meta: map[string]string{},
		Weights: api.AgentWeights{Passing: 1, Warning: 1}, Datacenter: s.options.Datacenter,
	})
	s.store.putCheck(&checkState{catalog: api.HealthCheck{
		Node: s.store.node.Node, CheckID: serfCheck, Name: "Serf Health Status", Status: api.HealthPassing,
		Output: "Agent alive and reachable", ServiceTags: []string{},
	}})
	s.store.node.CreateIndex, s.store.node.ModifyIndex = s.store.index, s.store.index
}
