package events_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/pkg/events"
)

// listen runs serve on every connection to a port of its own.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			serve(conn)
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return listener.Addr().String()
}

func refusingAddress(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestConnectErrorsSayWhatToDo(t *testing.T) {
	lab, err := kafka.Start(kafka.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer lab.Close()
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	secure := &tls.Config{MinVersion: tls.VersionTLS12}

	for name, c := range map[string]struct {
		address string
		tls     *tls.Config
		reason  string
		hint    string
		within  time.Duration
	}{
		"refused":                {refusingAddress(t), nil, "connection refused", "nothing listens there", time.Second},
		"black hole":             {listen(t, func(net.Conn) {}), nil, "no answer", "says nothing", 2 * time.Second},
		"hangs up":               {listen(t, func(c net.Conn) { _ = c.Close() }), nil, "closed the connection", "is TLS missing?", 2 * time.Second},
		"plaintext to TLS":       {web.Listener.Addr().String(), nil, "", "is TLS missing?", 2 * time.Second},
		"TLS to plaintext":       {lab.Addrs()[0], secure, "", "speaks plaintext", 2 * time.Second},
		"untrusted certificate":  {web.Listener.Addr().String(), secure, "certificate", "not trusted", 2 * time.Second},
		"name that is no name":   {"no-such-host.invalid:9092", nil, "", "does not resolve", 2 * time.Second},
		"something else answers": {listen(t, func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }), nil, "", "address of a Kafka broker", 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := events.New(events.Config{Brokers: []string{c.address}, TLS: c.tls, DialTimeout: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			began := time.Now()
			_, err = client.Topics(t.Context())
			var connect *events.ConnectError
			if !errors.As(err, &connect) {
				t.Fatalf("got %v, want a ConnectError", err)
			}
			if !strings.Contains(err.Error(), c.address) || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("the error %q does not name %q and %q", err, c.address, c.reason)
			}
			if !strings.Contains(connect.Hint, c.hint) {
				t.Errorf("hint %q for %v, want %q in it", connect.Hint, connect.Err, c.hint)
			}
			if took := time.Since(began); took > c.within {
				t.Errorf("took %s, want at most %s", took, c.within)
			}
		})
	}
}

func TestPingStopsWithItsContext(t *testing.T) {
	client, err := events.New(events.Config{Brokers: []string{listen(t, func(net.Conn) {})}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(reason) })
	if err := client.Ping(ctx); !errors.Is(err, reason) {
		t.Fatalf("got %v, want the context's cause", err)
	}
}

func TestNewRefusesBadConfigurations(t *testing.T) {
	if _, err := events.New(events.Config{}); !errors.Is(err, events.ErrNoBrokers) {
		t.Errorf("without brokers: %v", err)
	}
	_, err := events.New(events.Config{Brokers: []string{"b:1"}, SASL: &events.SASL{Mechanism: "MAGIC"}})
	if err == nil || !strings.Contains(err.Error(), "SCRAM-SHA-512") {
		t.Errorf("an unknown mechanism: %v", err)
	}
}
