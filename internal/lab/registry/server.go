package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Options configure a server. The zero value is ready to use.
type Options struct {
	// Addr is the address to listen on. Default: a free port on 127.0.0.1.
	Addr string
}

// Server is a running registry.
type Server struct {
	http *http.Server
	addr string
	done chan error
}

// Start listens and serves until Close. It returns an error when the address cannot be had.
func Start(opts Options) (*Server, error) {
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", opts.Addr)
	if err != nil {
		return nil, fmt.Errorf("start the lab's schema registry: %w", err)
	}
	s := &Server{
		http: &http.Server{Handler: newHandler(newStore()), ReadHeaderTimeout: 5 * time.Second},
		addr: listener.Addr().String(),
		done: make(chan error, 1),
	}
	go func() { s.done <- s.http.Serve(listener) }()
	return s, nil
}

// URL is the base address of the REST API, without a slash at its end.
func (s *Server) URL() string { return "http://" + s.addr }

// Close stops the server and waits for its goroutine. Requests under way have a second to end.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close()
	}
	if err := <-s.done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("stop the lab's schema registry: %w", err)
	}
	return nil
}
