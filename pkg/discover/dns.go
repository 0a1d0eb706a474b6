package discover

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// DNSAnswer is what a DNS server answered to a question for SRV records.
type DNSAnswer struct {
	Name      string      `json:"name"`      // that was asked for, such as prod.auth-service.service.consul.
	Transport string      `json:"transport"` // udp or tcp
	RCode     string      `json:"rcode"`     // NOERROR, NXDOMAIN … by RFC 1035
	Truncated bool        `json:"truncated"` // the server says that there is more over TCP
	LatencyMS float64     `json:"latency_ms"`
	Records   []DNSRecord `json:"records"` // by target and port: servers shuffle them
}

// DNSRecord is an SRV record with the address of its target.
type DNSRecord struct {
	Target     string   `json:"target"`
	Addresses  []string `json:"addresses"`  // of the target; none when it does not resolve
	Additional bool     `json:"additional"` // the addresses came with the answer and took no question more
	Port       int      `json:"port"`
	Priority   int      `json:"priority"`
	Weight     int      `json:"weight"`
	TTLS       int      `json:"ttl_seconds"`
}

// The transports of DNS.
const (
	overUDP = "udp"
	overTCP = "tcp"
)

const (
	// offeredUDP is the largest datagram that we take, as the DNS community agreed on (https://dnsflagday.net/2020)
	// and as Go's resolver and dig offer.
	offeredUDP = 1232
	// dnsTry is how long a datagram is waited for before it is sent again: DNS over UDP may lose either.
	dnsTry   = time.Second
	dnsTries = 3
)

// DNSError is a question that a DNS server did not answer.
type DNSError struct {
	Question  string // such as SRV auth-service.service.consul.
	Server    string // host:port
	Transport string
	Err       error
}

// Error says what was asked, of whom, and why there is no answer.
func (e *DNSError) Error() string {
	reason := innermostError(e.Err).Error()
	switch {
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		reason = "connection refused; is that the agent's DNS port?"
	case errors.Is(e.Err, os.ErrDeadlineExceeded), errors.Is(e.Err, context.DeadlineExceeded):
		reason = "no answer in time; is a firewall in the way?"
	case errors.Is(e.Err, io.EOF), errors.Is(e.Err, io.ErrUnexpectedEOF):
		reason = "it closed the connection without an answer"
	}
	return fmt.Sprintf("ask for %s: DNS at %s over %s: %s", e.Question, e.Server, strings.ToUpper(e.Transport), reason)
}

// Unwrap returns what was met.
func (e *DNSError) Unwrap() error { return e.Err }

// errForeignReply is a TCP reply to another question than ours. Over UDP such replies are passed over.
var errForeignReply = errors.New("its reply is to another question")

// dnsServer is a server's host:port. It is asked without caches, search lists and hosts files between: what it says is what is shown.
type dnsServer string

// srv asks for SRV records, and for the addresses of the targets that did not come with them.
func (s dnsServer) srv(ctx context.Context, transport, name string) (DNSAnswer, error) {
	start := time.Now()
	reply, err := s.ask(ctx, transport, name, dnsmessage.TypeSRV)
	if err != nil {
		return DNSAnswer{}, err
	}
	answer := DNSAnswer{
		Name: name, Transport: transport, RCode: rcode(reply.RCode), Truncated: reply.Truncated,
		LatencyMS: float64(time.Since(start)) / float64(time.Millisecond), Records: []DNSRecord{},
	}
	known := addressesIn(reply.Additionals)
	for _, r := range reply.Answers {
		body, ok := r.Body.(*dnsmessage.SRVResource)
		if !ok {
			continue
		}
		record := DNSRecord{
			Target: body.Target.String(), Port: int(body.Port), Priority: int(body.Priority), Weight: int(body.Weight),
			TTLS: int(r.Header.TTL),
		}
		key := strings.ToLower(record.Target)
		addresses, additional := known[key]
		if record.Additional = additional; !additional {
			if addresses, err = s.addresses(ctx, record.Target); err != nil {
				return DNSAnswer{}, err
			}
		}
		record.Addresses = append([]string{}, addresses...)
		answer.Records = append(answer.Records, record)
	}
	slices.SortFunc(answer.Records, func(a, b DNSRecord) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Port, b.Port))
	})
	return answer, nil
}

// addresses asks for the addresses of a name. One that the server does not know or look up elsewhere has none.
func (s dnsServer) addresses(ctx context.Context, name string) ([]string, error) {
	var all []string
	for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		reply, err := s.ask(ctx, overTCP, name, kind)
		if err != nil {
			return nil, err
		}
		for _, list := range addressesIn(reply.Answers) { // of a name and those that it is an alias of
			all = append(all, list...)
		}
	}
	return all, nil
}

// addressesIn are the addresses by their names in lower case.
func addressesIn(records []dnsmessage.Resource) map[string][]string {
	out := map[string][]string{}
	add := func(name string, address netip.Addr) { // once: Consul repeats a node's for each of its instances
		if text := address.String(); !slices.Contains(out[name], text) {
			out[name] = append(out[name], text)
		}
	}
	for _, r := range records {
		name := strings.ToLower(r.Header.Name.String())
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			add(name, netip.AddrFrom4(body.A))
		case *dnsmessage.AAAAResource:
			add(name, netip.AddrFrom16(body.AAAA))
		}
	}
	return out
}

// ask sends a question and returns the reply to it, whatever its code.
func (s dnsServer) ask(ctx context.Context, transport, name string, kind dnsmessage.Type) (*dnsmessage.Message, error) {
	question := strings.TrimPrefix(kind.String(), "Type") + " " + name
	failed := func(err error) (*dnsmessage.Message, error) {
		return nil, &DNSError{Question: question, Server: string(s), Transport: transport, Err: err}
	}
	full, err := dnsmessage.NewName(name)
	if err != nil {
		return failed(fmt.Errorf("%q is no name in DNS: %w", name, err))
	}
	message, err := newQuestion(dnsmessage.Question{Name: full, Type: kind, Class: dnsmessage.ClassINET})
	if err != nil {
		return failed(fmt.Errorf("%q is no name in DNS: %w", name, err))
	}
	conn, err := (&net.Dialer{Timeout: dnsTries * dnsTry}).DialContext(ctx, transport, string(s))
	if err != nil {
		return failed(err)
	}
	defer func() { _ = conn.Close() }() // the reply is in
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	exchange := exchangeUDP
	if transport == overTCP {
		exchange = exchangeTCP
	}
	reply, err := exchange(ctx, conn, message)
	if err != nil {
		return failed(err)
	}
	return reply, nil
}

// question is a packed question with what its reply is known by.
type question struct {
	id     uint16
	asked  dnsmessage.Question
	packed []byte
}

func newQuestion(asked dnsmessage.Question) (question, error) {
	id := uint16(rand.Uint32()) //nolint:gosec // keeps late replies apart; the answer is shown and trusted by nobody
	message := dnsmessage.Message{
		Header: dnsmessage.Header{ID: id, RecursionDesired: true}, Questions: []dnsmessage.Question{asked},
		Additionals: []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("."), Class: offeredUDP}, // RFC 6891
			Body:   &dnsmessage.OPTResource{},
		}},
	}
	packed, err := message.Pack()
	return question{id, asked, packed}, err
}

// reply reads a message, and tells whether it is the reply to the question.
func (q question) reply(packet []byte) (*dnsmessage.Message, bool, error) {
	var message dnsmessage.Message
	if err := message.Unpack(packet); err != nil {
		return nil, false, fmt.Errorf("its reply is not DNS: %w", err)
	}
	ours := message.ID == q.id && message.Response && len(message.Questions) == 1 &&
		strings.EqualFold(message.Questions[0].Name.String(), q.asked.Name.String()) && message.Questions[0].Type == q.asked.Type
	if message.ID == q.id && message.Response && len(message.Questions) == 0 && message.RCode != dnsmessage.RCodeSuccess {
		ours = true // a server that could not read the question
	}
	return &message, ours, nil
}

// exchangeUDP sends the question, again when a second passes without a reply, and passes over replies to others.
func exchangeUDP(ctx context.Context, conn net.Conn, q question) (*dnsmessage.Message, error) {
	buffer := make([]byte, 65535)
	var last error
	for range dnsTries {
		if _, err := conn.Write(q.packed); err != nil {
			return nil, err
		}
		if err := conn.SetReadDeadline(time.Now().Add(dnsTry)); err != nil {
			return nil, err
		}
		for ctx.Err() == nil {
			n, err := conn.Read(buffer)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				last = err
				break
			}
			if err != nil {
				return nil, err
			}
			message, ours, err := q.reply(buffer[:n])
			if ours || err != nil {
				return message, err
			}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, last
}

// exchangeTCP sends the question behind its length, as RFC 1035 says, and reads the reply.
func exchangeTCP(_ context.Context, conn net.Conn, q question) (*dnsmessage.Message, error) {
	if err := conn.SetDeadline(time.Now().Add(dnsTry * dnsTries)); err != nil {
		return nil, err
	}
	framed := binary.BigEndian.AppendUint16(nil, uint16(len(q.packed)))
	if _, err := conn.Write(append(framed, q.packed...)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	packet := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, packet); err != nil {
		return nil, err
	}
	message, ours, err := q.reply(packet)
	if err == nil && !ours {
		err = errForeignReply
	}
	return message, err
}

// rcode is a reply's code as DNS tools write it.
func rcode(code dnsmessage.RCode) string {
	switch code {
	case dnsmessage.RCodeSuccess:
		return "NOERROR"
	case dnsmessage.RCodeFormatError:
		return "FORMERR"
	case dnsmessage.RCodeServerFailure:
		return "SERVFAIL"
	case dnsmessage.RCodeNameError:
		return "NXDOMAIN"
	case dnsmessage.RCodeNotImplemented:
		return "NOTIMP"
	case dnsmessage.RCodeRefused:
		return "REFUSED"
	}
	return fmt.Sprintf("RCODE%d", code)
}
