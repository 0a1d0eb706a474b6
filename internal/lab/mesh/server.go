package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// Options of a Server. Kube and Endpoints are needed.
type Options struct {
	// Address to listen on for calls, host:port. Default "127.0.0.1:0".
	Address string
	// AdminAddress to listen on for the admin page. Default "127.0.0.1:0".
	AdminAddress string
	// Kube is the API that holds VirtualServices and DestinationRules.
	Kube *rest.Config
	// Namespace of the clients. Default "shop".
	Namespace string
	// ServiceNamespace is where a bare service name is looked for. Default "default".
	ServiceNamespace string
	// Endpoints returns the addresses, host:port, of a service's instances that have all of the labels.
	Endpoints func(ctx context.Context, service string, labels map[string]string) ([]string, error)
	// Random returns numbers in [0, 1) that decide about faults and weights. Default math/rand. It is never called concurrently.
	Random func() float64
}

// A Server is a running proxy. Its methods are safe for concurrent use.
type Server struct {
	options  Options
	calls    net.Listener
	admin    net.Listener
	servers  [2]*http.Server
	upstream upstream
	routing  atomic.Pointer[routing]
	turn     atomic.Uint64
	random   struct {
		sync.Mutex
		next func() float64
	}
	recorder recorder
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// upstream passes calls on, in the protocol in which they came.
type upstream struct{ one, two *http.Transport }

// Start reads the routing and serves until Close.
func Start(ctx context.Context, options Options) (*Server, error) {
	options = options.withDefaults()
	config := rest.CopyConfig(options.Kube)
	config.QPS = -1 // every change is read at once
	cluster, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("start the mesh proxy: %w", err)
	}
	s := &Server{options: options, upstream: newUpstream()}
	s.random.next = options.Random
	source := &source{cluster: cluster}
	first, versions, err := source.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("start the mesh proxy: %w", err)
	}
	s.routing.Store(first)
	if err := s.listen(); err != nil {
		return nil, err
	}
	own, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.running.Go(func() { source.follow(own, versions, func(r *routing) { s.routing.Store(r) }) })
	s.serve(own)
	return s, nil
}

func (o Options) withDefaults() Options {
	for field, value := range map[*string]string{&o.Address: "127.0.0.1:0", &o.AdminAddress: "127.0.0.1:0", &o.Namespace: "shop", &o.ServiceNamespace: "default"} {
		if *field == "" {
			*field = value
		}
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	return o
}

func (s *Server) listen() (err error) {
	if s.calls, err = net.Listen("tcp", s.options.Address); err != nil {
		return fmt.Errorf("start the mesh proxy: %w", err)
	}
	if s.admin, err = net.Listen("tcp", s.options.AdminAddress); err != nil {
		return errors.Join(fmt.Errorf("start the mesh proxy's admin page: %w", err), s.calls.Close())
	}
	return nil
}

func (s *Server) serve(ctx context.Context) {
	for i, part := range []struct {
		listener net.Listener
		handler  http.Handler
	}{{s.calls, http.HandlerFunc(s.proxy)}, {s.admin, s.recorder.admin()}} {
		server := &http.Server{
			Handler:           part.handler,
			Protocols:         protocols(true, true),
			ReadHeaderTimeout: 10 * time.Second,
			BaseContext:       func(net.Listener) context.Context { return ctx },
			ErrorLog:          log.New(io.Discard, "", 0), // a client that hangs up is no news
		}
		s.servers[i] = server
		s.running.Go(func() { _ = server.Serve(part.listener) }) // always ErrServerClosed, by Close
	}
}

// Address of the proxy, host:port.
func (s *Server) Address() string { return s.calls.Addr().String() }

// AdminURL of the page with counters (/stats) and the last calls (/log).
func (s *Server) AdminURL() string { return "http://" + s.admin.Addr().String() }

// Stats returns what the proxy has counted since its start.
func (s *Server) Stats() Stats { return s.recorder.snapshot() }

// Close ends the calls under way and waits for all goroutines.
func (s *Server) Close() error {
	s.stop()
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Close())
	}
	s.running.Wait()
	s.upstream.one.CloseIdleConnections()
	s.upstream.two.CloseIdleConnections()
	return errors.Join(errs...)
}

func protocols(one, two bool) *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(one)
	p.SetUnencryptedHTTP2(two)
	return p
}

func newUpstream() upstream {
	dial := (&net.Dialer{Timeout: 2 * time.Second}).DialContext
	return upstream{
		one: &http.Transport{DialContext: dial, Protocols: protocols(true, false)},
		two: &http.Transport{DialContext: dial, Protocols: protocols(false, true)},
	}
}

func (u upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.ProtoMajor == 2 {
		return u.two.RoundTrip(r)
	}
	return u.one.RoundTrip(r)
}

// forward passes a call on to one instance.
func (s *Server) forward(w http.ResponseWriter, r *http.Request, address string, call *Call) {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = "http", address, p.In.Host
			p.Out.ProtoMajor = p.In.ProtoMajor
		},
		Transport:     s.upstream,
		FlushInterval: -1, // streams: every message at once
		ModifyResponse: func(response *http.Response) error {
			call.Status = response.StatusCode
			moveStatusToTrailer(response)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			reply(w, r, call, "UF", http.StatusServiceUnavailable, "upstream connect error or disconnect/reset before headers")
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	proxy.ServeHTTP(w, r)
}

// moveStatusToTrailer gives a gRPC answer that is headers alone ("Trailers-Only") a trailer. Its status counts as a
// header's only in a frame that ends the stream, and the proxy may flush the headers before it sees the end.
func moveStatusToTrailer(response *http.Response) {
	for _, key := range []string{"Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin"} {
		values, found := response.Header[key]
		if !found {
			continue
		}
		if response.Trailer == nil {
			response.Trailer = http.Header{}
		}
		response.Trailer[key] = values
		response.Header.Del(key)
	}
}

func (s *Server) chance() float64 {
	s.random.Lock()
	defer s.random.Unlock()
	return s.random.next()
}
