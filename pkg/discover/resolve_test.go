package discover_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
)

// fakeDNS answers on one port over UDP and TCP with what the functions say; no bytes is no answer.
type fakeDNS struct {
	udp, tcp func(dnsmessage.Message) [][]byte
}

func (f fakeDNS) start(t *testing.T) (address string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	packets, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { f.serveUDP(packets) })
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.serveTCP(conn)
		}
	})
	t.Cleanup(func() {
		_, _ = listener.Close(), packets.Close()
		running.Wait()
	})
	return listener.Addr().String()
}

func (f fakeDNS) serveUDP(packets net.PacketConn) {
	buffer := make([]byte, 4096)
	for {
		n, from, err := packets.ReadFrom(buffer)
		if err != nil {
			return
		}
		for _, reply := range f.answer(f.udp, buffer[:n]) {
			_, _ = packets.WriteTo(reply, from)
		}
	}
}

func (f fakeDNS) serveTCP(conn net.Conn) {
	defer conn.Close()
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return
	}
	packet := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, packet); err != nil {
		return
	}
	for _, reply := range f.answer(f.tcp, packet) {
		_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
	}
}

func (f fakeDNS) answer(by func(dnsmessage.Message) [][]byte, packet []byte) [][]byte {
	var asked dnsmessage.Message
	if by == nil || asked.Unpack(packet) != nil {
		return nil
	}
	return by(asked)
}

// srvReply answers every question for SRV with those ports at 10.0.0.<port>, changed by the functions.
func srvReply(ports []int, change ...func(*dnsmessage.Message)) func(dnsmessage.Message) [][]byte {
	return func(asked dnsmessage.Message) [][]byte {
		reply := dnsmessage.Message{Header: dnsmessage.Header{ID: asked.ID, Response: true}, Questions: asked.Questions}
		for _, port := range ports {
			target := dnsmessage.MustNewName(fmt.Sprintf("t%d.addr.dc1.consul.", port))
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: asked.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 5},
				Body:   &dnsmessage.SRVResource{Priority: 1, Weight: 2, Port: uint16(port), Target: target},
			})
			reply.Additionals = append(reply.Additionals, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: target, Class: dnsmessage.ClassINET},
				Body:   &dnsmessage.AResource{A: [4]byte{10, 0, 0, byte(port)}},
			})
		}
		for _, f := range change {
			f(&reply)
		}
		packed, err := reply.Pack()
		if err != nil {
			panic(err)
		}
		return [][]byte{packed}
	}
}

func withCode(code dnsmessage.RCode) func(*dnsmessage.Message) {
	return func(m *dnsmessage.Message) { m.RCode = code }
}

func truncated(m *dnsmessage.Message) { m.Truncated = true }

// registered is a Consul that knows "web" at 10.0.0.<port>:<port>, passing.
func registered(t *testing.T, ports ...int) *discover.Client {
	t.Helper()
	server, c := start(t)
	for _, port := range ports {
		put(t, server, "/v1/agent/service/register", fmt.Sprintf(`{"ID": "w%d", "Name": "web", "Address": "10.0.0.%d", "Port": %d}`, port, port, port))
	}
	return c
}

// differences are the kinds and places of what differs.
func differences(r discover.Resolution) string {
	var out []string
	for _, d := range r.Differences {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s", d.Kind, d.Place)))
	}
	return strings.Join(out, ", ")
}

func TestResolveCompares(t *testing.T) {
	c := registered(t, 1, 2, 3)
	same := srvReply([]int{1, 2, 3})
	// elsewhere gives the port of 3 another number, or its address.
	elsewhere := func(port uint16, address byte) func(*dnsmessage.Message) {
		return func(m *dnsmessage.Message) {
			m.Answers[2].Body.(*dnsmessage.SRVResource).Port = port      //nolint:forcetypeassert // srvReply's
			m.Additionals[2].Body.(*dnsmessage.AResource).A[3] = address //nolint:forcetypeassert // srvReply's
		}
	}
	for _, row := range []struct {
		what     string
		udp, tcp func(dnsmessage.Message) [][]byte
		want     string
		why      string // is in the first difference's sentence
	}{
		{what: "the same", udp: same, tcp: same},
		{what: "cut and said so", udp: srvReply([]int{1}, truncated), tcp: same},
		{what: "cut in silence", udp: srvReply([]int{1, 2}), tcp: same, want: "udp_cut", why: "2 of 3; clients see a part"},
		{what: "one more", udp: srvReply([]int{1, 2, 3, 4}), tcp: srvReply([]int{1, 2, 3, 4}), want: "dns_only 10.0.0.4:4", why: "nothing is registered there now"},
		{what: "one less", udp: srvReply([]int{1, 3}), tcp: srvReply([]int{1, 3}), want: "api_only 10.0.0.2:2", why: "the API alone gives 10.0.0.2:2"},
		{what: "none", udp: srvReply(nil, withCode(dnsmessage.RCodeNameError)), tcp: srvReply(nil, withCode(dnsmessage.RCodeNameError)), want: "api_only 10.0.0.1:1, api_only 10.0.0.2:2, api_only 10.0.0.3:3", why: "the agent's own token"},
		{what: "failing", udp: srvReply(nil, withCode(dnsmessage.RCodeServerFailure)), tcp: srvReply(nil, withCode(dnsmessage.RCodeServerFailure)), want: "api_only 10.0.0.1:1, api_only 10.0.0.2:2, api_only 10.0.0.3:3", why: "DNS answered SERVFAIL"},
		{what: "another port", udp: srvReply([]int{1, 2, 3}, elsewhere(33, 3)), tcp: srvReply([]int{1, 2, 3}, elsewhere(33, 3)), want: "port_differs 10.0.0.3:3", why: "it gives 10.0.0.3:33"},
		{what: "another address", udp: srvReply([]int{1, 2, 3}, elsewhere(3, 99)), tcp: srvReply([]int{1, 2, 3}, elsewhere(3, 99)), want: "address_differs 10.0.0.3:3", why: "it gives 10.0.0.99:3"},
		{
			what: "the form of RFC 2782 differs", udp: same, want: "form_differs", why: "_web._tcp.service.consul. NXDOMAIN with 0",
			tcp: func(asked dnsmessage.Message) [][]byte {
				if strings.HasPrefix(asked.Questions[0].Name.String(), "_") {
					return srvReply(nil, withCode(dnsmessage.RCodeNameError))(asked)
				}
				return same(asked)
			},
		},
		{
			what: "replies to others first", tcp: same,
			udp: func(asked dnsmessage.Message) [][]byte {
				other := asked
				other.ID++
				question := asked
				question.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("evil."), Type: dnsmessage.TypeSRV, Class: dnsmessage.ClassINET}}
				return append(append(srvReply([]int{9})(other), srvReply([]int{8})(question)...), same(asked)...)
			},
		},
	} {
		t.Run(row.what, func(t *testing.T) {
			server := fakeDNS{row.udp, row.tcp}.start(t)
			got, err := c.Resolve(t.Context(), "web", discover.ResolveOptions{Server: server})
			if err != nil {
				t.Fatal(err)
			}
			if differences(got) != row.want {
				t.Errorf("differences are %s, want %s", differences(got), row.want)
			}
			if row.why != "" && !strings.Contains(got.Differences[0].Sentence, row.why) {
				t.Errorf("the first is %q, want %q in it", got.Differences[0].Sentence, row.why)
			}
			if len(got.Answers) != 3 || got.Server != server {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestNamesInDNS(t *testing.T) {
	server, err := consul.Start(consul.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	for _, row := range []struct {
		config          discover.Config
		tag, datacenter string
		plain, form     string
	}{
		{discover.Config{}, "", "", "consul.service.consul.", "_consul._tcp.service.consul."},
		{discover.Config{}, "prod", "dc1", "prod.consul.service.dc1.consul.", "_consul._prod.service.dc1.consul."},
		{discover.Config{Datacenter: "dc1"}, "", "", "consul.service.dc1.consul.", "_consul._tcp.service.dc1.consul."},
		{discover.Config{Namespace: "pay"}, "", "", "consul.service.pay.ns.consul.", "_consul._tcp.service.pay.ns.consul."},
		{discover.Config{Namespace: "pay", Partition: "eu", Datacenter: "dc1"}, "", "", "consul.service.pay.ns.eu.ap.dc1.dc.consul.", "_consul._tcp.service.pay.ns.eu.ap.dc1.dc.consul."},
	} {
		row.config.Address = server.Addr()
		var mu sync.Mutex
		asked := map[string]bool{}
		reply := func(m dnsmessage.Message) [][]byte {
			mu.Lock()
			defer mu.Unlock()
			asked[m.Questions[0].Name.String()] = true
			return srvReply([]int{1})(m)
		}
		_, err := client(t, row.config).Resolve(t.Context(), "consul", discover.ResolveOptions{
			Tag: row.tag, Datacenter: row.datacenter, Server: fakeDNS{reply, reply}.start(t),
		})
		if err != nil || len(asked) != 2 || !asked[row.plain] || !asked[row.form] {
			t.Errorf("%+v: asked for %v, %v", row, asked, err)
		}
	}
}

// TestResolveRetriesLostDatagrams: the first question is lost.
func TestResolveRetriesLostDatagrams(t *testing.T) {
	c := registered(t, 1)
	lost := false
	server := fakeDNS{
		udp: func(asked dnsmessage.Message) [][]byte {
			if !lost {
				lost = true
				return nil
			}
			return srvReply([]int{1})(asked)
		},
		tcp: srvReply([]int{1}),
	}.start(t)
	got, err := c.Resolve(t.Context(), "web", discover.ResolveOptions{Server: server})
	if err != nil || len(got.Differences) > 0 || got.Answers[0].LatencyMS < 900 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestResolveWithoutAnswer(t *testing.T) {
	c := registered(t, 1)
	garbage := func(dnsmessage.Message) [][]byte { return [][]byte{[]byte("no DNS at all")} }
	silence := func(dnsmessage.Message) [][]byte { return nil }
	foreign := func(asked dnsmessage.Message) [][]byte { asked.ID++; return srvReply([]int{1})(asked) }
	for _, row := range []struct {
		what, server string
		want         string
	}{
		{"nothing listens", "127.0.0.1:1", "DNS at 127.0.0.1:1 over UDP: connection refused; is that the agent's DNS port?"},
		{"no name", "no.such.name.invalid:53", "no such host"},
		{"garbage", fakeDNS{udp: garbage}.start(t), "its reply is not DNS"},
		{"TCP hangs up", fakeDNS{udp: srvReply([]int{1}), tcp: silence}.start(t), "over TCP: it closed the connection without an answer"},
		{"TCP answers others", fakeDNS{udp: srvReply([]int{1}), tcp: foreign}.start(t), "its reply is to another question"},
		{"no answer", fakeDNS{udp: silence}.start(t), "over UDP: no answer in time"},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			_, err := c.Resolve(t.Context(), "web", discover.ResolveOptions{Server: row.server})
			var silent *discover.DNSError
			if !errors.As(err, &silent) || !strings.Contains(err.Error(), row.want) || !strings.HasPrefix(err.Error(), "ask for SRV web.service.consul.: ") {
				t.Errorf("got %v, want %q in it", err, row.want)
			}
		})
	}
	t.Run("the caller gives up", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, err := c.Resolve(ctx, "web", discover.ResolveOptions{Server: fakeDNS{udp: silence}.start(t)})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > time.Second {
			t.Errorf("got %v after %s", err, time.Since(begin))
		}
	})
	if _, err := c.Resolve(t.Context(), strings.Repeat("long", 20), discover.ResolveOptions{}); err == nil {
		t.Error("a label of 80 characters was asked for")
	}
}

// TestResolveWithTheLab asks the lab's own DNS, which it is told the port of by the agent.
func TestResolveWithTheLab(t *testing.T) {
	server, c := start(t)
	register := func(body string) { put(t, server, "/v1/agent/service/register", body) }
	register(`{"ID": "a", "Name": "web", "Address": "10.0.0.1", "Port": 1, "Tags": ["prod"]}`)
	register(`{"ID": "b", "Name": "web", "Address": "2001:db8::2", "Port": 2}`)
	register(`{"ID": "c", "Name": "web", "Port": 3}`)
	register(`{"ID": "d", "Name": "web", "Address": "10.0.0.4", "Port": 4, "Check": {"TTL": "1h"}}`)
	got, err := c.Resolve(t.Context(), "web", discover.ResolveOptions{})
	if err != nil || len(got.Differences) > 0 || len(got.Places) != 3 || got.Server != server.DNS() {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = c.Resolve(t.Context(), "web", discover.ResolveOptions{Tag: "prod"})
	if err != nil || len(got.Differences) > 0 || len(got.Places) != 1 || got.Answers[2].Name != "_web._prod.service.consul." {
		t.Errorf("by tag: %+v, %v", got, err)
	}
	register(`{"ID": "e", "Name": "web", "Address": "10.0.0.5", "Port": 5, "Check": {"TTL": "1h", "Status": "warning"}}`)
	got, err = c.Resolve(t.Context(), "web", discover.ResolveOptions{})
	if err != nil || differences(got) != "dns_only 10.0.0.5:5" || !strings.Contains(got.Differences[0].Why, "only_passing") {
		t.Errorf("one that warns: %+v, %v", got.Differences, err)
	}
	got, err = c.Resolve(t.Context(), "web", discover.ResolveOptions{Health: discover.Any})
	if err != nil || differences(got) != "api_only 10.0.0.4:4" || !strings.Contains(got.Differences[0].Why, "it is critical, and DNS leaves that out") {
		t.Errorf("any health: %+v, %v", got.Differences, err)
	}
	register(`{"ID": "x", "Name": "sick", "Address": "10.0.0.6", "Port": 6, "Check": {"TTL": "1h"}}`)
	for name, want := range map[string]string{"sick": "no instance of sick passes", "wbe": "did you mean web?"} {
		if _, err := c.Resolve(t.Context(), name, discover.ResolveOptions{}); !errors.Is(err, discover.ErrNoInstance) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestResolveFallsBackToTheStockPort where the agent does not tell its own.
func TestResolveFallsBackToTheStockPort(t *testing.T) {
	front := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/agent/") {
			http.Error(w, "Permission denied", http.StatusForbidden)
			return
		}
		w.Header().Set("X-Consul-Index", "1")
		_, _ = io.WriteString(w, `[{"Node": {"Node": "n"}, "Service": {"ID": "1", "Service": "web", "Address": "10.0.0.1", "Port": 1}, "Checks": []}]`)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := client(t, discover.Config{Address: front.URL}).Resolve(ctx, "web", discover.ResolveOptions{})
	var silent *discover.DNSError
	if !errors.As(err, &silent) || silent.Server != "127.0.0.1:8600" {
		t.Errorf("got %v", err)
	}
}

// FuzzDNSReply: what a server answers never breaks the comparison.
func FuzzDNSReply(f *testing.F) {
	server, err := consul.Start(consul.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = server.Close() })
	c, err := discover.New(discover.Config{Address: server.Addr()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = c.Close() })
	f.Add([]byte("\x00\x00\x84\x00\x00\x00"), byte(0))
	f.Add([]byte{0, 1, 0, 1, 0, 0, 0, 0, 1, 'a', 0, 0, 33, 0, 1}, byte(0x84))
	f.Fuzz(func(t *testing.T, rest []byte, flags byte) {
		reply := func(asked dnsmessage.Message) [][]byte {
			return [][]byte{append([]byte{byte(asked.ID >> 8), byte(asked.ID), flags}, rest...)}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		got, err := c.Resolve(ctx, "consul", discover.ResolveOptions{Server: fakeDNS{reply, reply}.start(t)})
		if err == nil && len(got.Answers) != 3 {
			t.Errorf("got %+v", got)
		}
	})
}

// A service is looked up by the API and by DNS, which give a warning instance as well.
func ExampleClient_Resolve() {
	ctx := context.Background()
	client, stop := exampleClient()
	defer stop()
	id, err := client.Register(ctx, discover.Registration{
		Name: "auth-service", Address: "10.0.0.7", Port: 50051, Checks: []discover.CheckConfig{{TTL: time.Hour}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := client.Report(ctx, discover.CheckID(id, 0), discover.Warning, "slow"); err != nil {
		fmt.Println(err)
		return
	}
	found, err := client.Resolve(ctx, "auth-service", discover.ResolveOptions{})
	for _, difference := range found.Differences {
		fmt.Println(difference.Kind, difference.Place, err)
	}
	// Output:
	// dns_only 10.0.0.7:50051 <nil>
}
