package consul

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sort"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	dnsIdle      = 10 * time.Second // a TCP connection that asks nothing this long is closed
	plainUDP     = 512              // what a datagram holds unless the question says more (RFC 1035, 6891)
	udpHeader    = 8
	largestUDP   = 65535 - 68
	largestTCP   = 65535 - 12
	plainAnswers = 3 // answers over UDP to who says no size: Consul's dns_config.udp_answer_limit
)

// listenDNS opens the UDP and the TCP socket of one port; with port 0 a port that is free for both.
func listenDNS(ctx context.Context, address string) (net.PacketConn, net.Listener, error) {
	const tries = 10
	var lc net.ListenConfig
	for try := 1; ; try++ {
		tcp, err := lc.Listen(ctx, "tcp", address)
		if err != nil {
			return nil, nil, err
		}
		udp, err := lc.ListenPacket(ctx, "udp", tcp.Addr().String())
		if err == nil {
			return udp, tcp, nil
		}
		_ = tcp.Close() // the other error is the one to tell
		if _, port, _ := net.SplitHostPort(address); port != "0" || try == tries {
			return nil, nil, err
		}
	}
}

// startDNS serves DNS until the server closes.
func (s *Server) startDNS() error {
	udp, tcp, err := listenDNS(s.ctx, s.options.DNSAddr)
	if err != nil {
		return fmt.Errorf("start the lab's Consul DNS: %w", err)
	}
	s.dns = tcp.Addr().(*net.TCPAddr).AddrPort().String()
	context.AfterFunc(s.ctx, func() { _ = errors.Join(udp.Close(), tcp.Close()) })
	s.running.Go(func() { s.serveUDP(udp) })
	s.running.Go(func() { s.serveTCP(tcp) })
	return nil
}

func (s *Server) serveUDP(conn net.PacketConn) {
	buffer := make([]byte, 65535)
	for {
		n, from, err := conn.ReadFrom(buffer)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			continue // an ICMP error of an earlier answer
		}
		if reply := s.answerDNS(buffer[:n], false); reply != nil {
			_, _ = conn.WriteTo(reply, from) // a datagram may be lost; there is nobody to tell
		}
	}
}

func (s *Server) serveTCP(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			s.running.Go(func() { s.serveDNSConn(conn) })
		}
	}
}

// serveDNSConn answers questions, each behind its length in two bytes, until the client is done.
func (s *Server) serveDNSConn(conn net.Conn) {
	defer context.AfterFunc(s.ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	for {
		if conn.SetDeadline(time.Now().Add(dnsIdle)) != nil {
			return
		}
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, question); err != nil {
			return
		}
		reply := s.answerDNS(question, true)
		if reply == nil {
			return
		}
		framed := binary.BigEndian.AppendUint16(nil, uint16(len(reply)))
		if _, err := conn.Write(append(framed, reply...)); err != nil {
			return
		}
	}
}

// answerDNS returns the packed reply, or nil to what is no question at all.
func (s *Server) answerDNS(packet []byte, tcp bool) []byte {
	var request dnsmessage.Message
	var parser dnsmessage.Parser
	header, err := parser.Start(packet)
	if err != nil || header.Response {
		return nil
	}
	reply := dnsmessage.Message{Header: dnsmessage.Header{ID: header.ID, Response: true, OpCode: header.OpCode}}
	switch err := request.Unpack(packet); {
	case err != nil, len(request.Questions) != 1:
		reply.RCode = dnsmessage.RCodeFormatError
	case header.OpCode != 0:
		reply.RCode = dnsmessage.RCodeNotImplemented
	default:
		reply.RecursionDesired = header.RecursionDesired
		reply.Questions = request.Questions
		s.store.mu.Lock()
		found := s.resolve(request.Questions[0])
		s.store.mu.Unlock()
		reply.RCode, reply.Authoritative = found.rcode, !found.foreign
		reply.Answers, reply.Authorities, reply.Additionals = found.answers, found.authority, found.extra
		size := offeredSize(&request, &reply)
		trim(&reply, size, tcp)
	}
	packed, err := reply.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// offeredSize is the largest datagram that the client takes. An offer is echoed in the reply.
func offeredSize(request, reply *dnsmessage.Message) int {
	for _, extra := range request.Additionals {
		if extra.Header.Type == dnsmessage.TypeOPT {
			size := extra.Header.Class // where an OPT record keeps it
			opt := dnsmessage.ResourceHeader{Name: root, Class: size}
			reply.Additionals = append(reply.Additionals, dnsmessage.Resource{Header: opt, Body: &dnsmessage.OPTResource{}})
			return min(max(int(size), plainUDP), largestUDP)
		}
	}
	return plainUDP
}

// trim leaves out answers until the reply is small enough. As a stock agent does (dns_config.enable_truncate is off)
// it does not say so by the TC flag. Where anything had to go, of the additional records only the first of each
// answer's target stays.
func trim(reply *dnsmessage.Message, size int, tcp bool) {
	limit, most := size-udpHeader, len(reply.Answers)
	measure := packedSize
	switch {
	case tcp:
		limit, most = largestTCP, min(most, 4096)
		if reply.Questions[0].Type == dnsmessage.TypeSRV {
			most = min(most, 1024)
		}
	case size == plainUDP && most > plainAnswers:
		most, measure = plainAnswers, plainSize
	}
	if most <= 1 || most == len(reply.Answers) && measure(reply) <= limit {
		return
	}
	answers, extra := reply.Answers, firstOfEach(reply.Additionals)
	reply.Authorities = nil
	keep := func(n int) {
		reply.Answers, reply.Additionals = answers[:n], targetsOf(answers[:n], extra)
	}
	keep(1 + sort.Search(most-1, func(i int) bool {
		keep(i + 2)
		return measure(reply) > limit
	}))
}

func firstOfEach(records []dnsmessage.Resource) map[string]dnsmessage.Resource {
	first := map[string]dnsmessage.Resource{}
	for _, r := range records {
		_, known := first[r.Header.Name.String()]
		if _, opt := r.Body.(*dnsmessage.OPTResource); !known && !opt {
			first[r.Header.Name.String()] = r
		}
	}
	return first
}

func targetsOf(answers []dnsmessage.Resource, extra map[string]dnsmessage.Resource) []dnsmessage.Resource {
	var out []dnsmessage.Resource
	var done []string
	for _, answer := range answers {
		srv, is := answer.Body.(*dnsmessage.SRVResource)
		if !is {
			continue
		}
		target := srv.Target.String()
		if record, known := extra[target]; known && !slices.Contains(done, target) {
			out, done = append(out, record), append(done, target)
		}
	}
	return out
}

func packedSize(m *dnsmessage.Message) int {
	packed, err := m.Pack()
	if err != nil {
		return 1 << 20 // too many for the counters: surely too large
	}
	return len(packed)
}

// plainSize is the size without compression of names.
func plainSize(m *dnsmessage.Message) int {
	const header, question, record = 12, 4, 10
	size := header + question + nameSize(m.Questions[0].Name)
	for _, r := range slices.Concat(m.Answers, m.Authorities, m.Additionals) {
		size += record + nameSize(r.Header.Name)
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			size += 4
		case *dnsmessage.AAAAResource:
			size += 16
		case *dnsmessage.SRVResource:
			size += 6 + nameSize(body.Target)
		case *dnsmessage.CNAMEResource:
			size += nameSize(body.CNAME)
		}
	}
	return size
}

func nameSize(name dnsmessage.Name) int { return int(name.Length) + 1 }
