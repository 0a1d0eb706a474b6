package consul_test

import (
	"context"
	"net"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/suokelife/suokectl/internal/lab/consul"
)

// FuzzDNS sends any packet and wants that a question behind it is still answered.
func FuzzDNS(f *testing.F) {
	question := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 1},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("consul.service.consul."), Type: dnsmessage.TypeSRV, Class: dnsmessage.ClassINET}},
	}
	asked, err := question.Pack()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"", "\x00", string(asked), string(asked[:20]), string(asked) + "rest", "\x00\x01\x80\x00" + string(asked[4:]), // a reply
		"\x00\x01\x28\x00" + string(asked[4:]), // another operation
		"\x00\x01\x00\x00\xff\xff" + string(asked[6:]), "\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01",
		"\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01",
	} {
		f.Add([]byte(seed))
	}
	server, err := consul.Start(consul.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = server.Close() })
	f.Fuzz(func(t *testing.T, packet []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		conn, err := (&net.Dialer{}).DialContext(ctx, "udp", server.DNS())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if len(packet) < 60000 {
			if _, err := conn.Write(packet); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := conn.Write(asked); err != nil {
			t.Fatal(err)
		}
		awaitAnswer(t, conn)
	})
}

func awaitAnswer(t *testing.T, conn net.Conn) {
	t.Helper()
	buffer := make([]byte, 65535)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		var reply dnsmessage.Message
		if err := reply.Unpack(buffer[:n]); err != nil {
			t.Fatalf("the reply is malformed: %v", err)
		}
		if reply.RCode == dnsmessage.RCodeSuccess && len(reply.Answers) == 1 {
			return
		}
	}
}
